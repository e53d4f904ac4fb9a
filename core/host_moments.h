// Moments on the host of values that are trained on a device: the lever offload-optimizer.
#pragma once

#include <string>
#include <vector>

#include "core/moments.h"

namespace lethe {

/// A million of them at a time are on the device, before and behind the fused update of their
/// values, which is the same kernel on the same numbers: values move to the same bits. Penalties
/// are summed by such parts, which rounds differently.
class HostMoments : public Moments {
 public:
  /// Values whose moments are on the device at once.
  static constexpr int64_t kAtOnce = int64_t{1} << 20;

  /// `count` moments a value: 1 of momentum, 2 of Adam.
  HostMoments(const at::Device& device, int count)
      : device_(device), flat_(static_cast<size_t>(count)) {}

  void lay_out(const Arena& arena, bool clear) override;
  double update(const ArenaRange& range, int64_t from, const kernels::Update& step) override;
  double update(const Arena& arena, const kernels::Update& step) override;
  void state(Archive& archive) override;
  std::string form() const override { return "in float32 on the host"; }

 private:
  struct Place {
    std::string name;
    int64_t offset, size;
  };
  double update_from(int64_t offset, const kernels::Update& step);

  at::Device device_;
  std::vector<Tensor> flat_;  // (n) float32 each, on the CPU, as the arena lays values out
  std::vector<Place> places_;
};

}  // namespace lethe
