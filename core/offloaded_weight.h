// A frozen weight that lies on the host while its model is on a device: the lever offload-weights.
#pragma once

#include "core/base_weight.h"

namespace lethe {

/// The base's tensors go to the device for the time of a product, forward and backward, and are let
/// go again: results have the bits that they have with the base on the device. Frozen.
class OffloadedWeight : public BaseWeight {
 public:
  /// Moves the base to the host.
  OffloadedWeight(std::unique_ptr<BaseWeight> base, const at::Device& device);
  Tensor apply(const Tensor& x, const Tensor& bias) const override;
  Tensor dense() const override;  ///< a new tensor on the device
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override;
  const char* format() const override { return base_->format(); }

  /// g (..., out) W on the device.
  Tensor multiply_back(const Tensor& g) const;
  /// The base, on the host; this has none then.
  std::unique_ptr<BaseWeight> take() { return std::move(base_); }

 private:
  friend struct OffloadedProduct;
  std::unique_ptr<BaseWeight> base_;
  at::Device device_;
};

}  // namespace lethe
