// The lever optimizer-in-backward: values move in the backward pass, each parameter's as soon as
// its gradient is whole, which is let go then. The whole gradient never exists.
#pragma once

#include <optional>
#include <vector>

#include "core/arena.h"
#include "core/range_update.h"

namespace lethe {

class BackwardUpdate {
 public:
  BackwardUpdate() = default;
  ~BackwardUpdate();
  BackwardUpdate(const BackwardUpdate&) = delete;
  BackwardUpdate& operator=(const BackwardUpdate&) = delete;

  /// Hears of every gradient of the arena's parameters, which was laid out without its own.
  void attach(const Arena& arena);
  /// From now on gradients move values; `step` points to the arena's arrays, without a gradient.
  void begin(const kernels::Update& step, const RangeUpdate& update);
  /// While held, gradients gather: several backward passes belong to one step.
  void hold(bool held) { held_ = held; }
  /// Moves `parameter` by what has gathered, where it has not moved: no more will come.
  void settle(const Tensor& parameter);
  /// Moves what no gradient has reached, with what has gathered or else a gradient of zero, and
  /// returns the sum of penalties.
  double finish();
  /// Of the gradients of the step that was finished, with the quadratic terms' gradients.
  double squared_norm() const { return squared_norm_; }

 private:
  struct Hook;
  void ready(size_t number);
  void move(size_t number);
  void detach();

  std::vector<ArenaRange> ranges_;
  std::vector<bool> moved_;
  kernels::Update step_;
  std::optional<RangeUpdate> update_;
  bool held_ = false;
  double penalty_ = 0, squared_norm_ = 0;
};

}  // namespace lethe
