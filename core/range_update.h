// A step's update, whatever values are stored in and wherever moments lie.
#pragma once

#include <functional>

#include "core/arena.h"
#include "core/kernels/update.h"
#include "core/moments.h"

namespace lethe {

/// The fused update of one step. Values and gradients in bfloat16 go through it in float32, a piece
/// at a time; then values are rounded: to the nearest where masters move, else at random, so that
/// steps smaller than a rounding are not lost (Gupta et al. 2015, arXiv:1502.02551).
class RangeUpdate {
 public:
  /// `moments` may be null: then steps point to them. `noise` is the key of the step's random
  /// rounding (core/kernels/bf16_round.h).
  RangeUpdate(const Arena& arena, const at::Device& device, Moments* moments, uint64_t noise)
      : arena_(arena), device_(device), moments_(moments), noise_(noise) {}

  /// Of one parameter, whose arrays `part` points to, but for its gradient, (size) as the arena's.
  /// Returns its penalty.
  double move(const ArenaRange& range, const Tensor& gradient, const kernels::Update& part) const;
  /// The squared norm of its gradient with the quadratic terms' gradients.
  double squared_norm(const ArenaRange& range, const Tensor& gradient,
                      const kernels::Update& part) const;
  /// The same of all parameters, whose arrays `step` points to.
  double move(const kernels::Update& step) const;
  double squared_norm(const kernels::Update& step) const;

 private:
  using Piece = std::function<double(int64_t from, const Tensor& value, kernels::Update& piece)>;
  bool whole() const { return arena_.store() == ValueStore::float32; }
  double in_pieces(const ArenaRange& range, const Tensor& gradient, const kernels::Update& part,
                   const Piece& use) const;
  double over_ranges(const kernels::Update& step,
                     const std::function<double(const ArenaRange& range, const Tensor& gradient,
                                                const kernels::Update& part)>& use) const;
  void round(const Tensor& value, int64_t first) const;

  const Arena& arena_;
  at::Device device_;
  Moments* moments_;
  uint64_t noise_;
};

/// `value` (n) float32 at random into `to` (n) bfloat16, on any device: kernels::round_at_random().
void round_at_random(const Tensor& value, uint64_t key, int64_t first, const Tensor& to);

}  // namespace lethe
