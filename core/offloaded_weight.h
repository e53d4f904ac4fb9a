// A frozen weight that lies on the host while its model is on a device: the lever offload-weights.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/base_weight.h"

namespace lethe {

class WeightStream;

/// The base's tensors are on the device for the time of a product, forward and backward, and are
/// let go again: results have the bits that they have with the base on the device. Frozen.
class OffloadedWeight : public BaseWeight {
 public:
  /// Moves the base to the host.
  OffloadedWeight(std::unique_ptr<BaseWeight> base, const at::Device& device);
  ~OffloadedWeight() override;
  /// From now on its copies come by `stream`, which is the whole model's.
  void come_by(std::shared_ptr<WeightStream> stream);
  std::vector<Tensor> host_tensors() const;
  Tensor apply(const Tensor& x, const Tensor& bias) const override;
  Tensor multiply_back(const Tensor& gy) const override;
  Tensor dense() const override;  ///< a new tensor on the device
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override;
  const char* format() const override { return base_->format(); }

  /// The base, on the host; this has none then.
  std::unique_ptr<BaseWeight> take();

 private:
  friend struct OffloadedProduct;
  std::unique_ptr<BaseWeight> base_;
  std::shared_ptr<WeightStream> stream_;
};

}  // namespace lethe
