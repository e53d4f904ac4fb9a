// Offloaded weights on their way to the device: the next one comes while the present one is used.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "core/cuda_device.h"
#include "core/offloaded_weight.h"

namespace lethe {

/// Of one model. Which weight comes next is what came after the last two uses before: passes go
/// through the blocks in the same order in every step, forward, backward and again under
/// checkpointing. A wrong guess costs a copy.
class WeightStream {
 public:
  explicit WeightStream(const at::Device& device) : device_(device) {}

  /// Copies of the weight's tensors on the device, for work that is queued from now on; begins to
  /// fetch the next weight's.
  std::vector<Tensor> take(const OffloadedWeight& weight);
  /// The weight is gone, or its tensors are others.
  void forget(const OffloadedWeight& weight);

  int64_t copies() const { return copies_; }    ///< weights copied so far
  int64_t guessed() const { return guessed_; }  ///< uses that found their weight fetched

 private:
  using Weight = const OffloadedWeight*;
  CudaFetch fetch(const OffloadedWeight& weight);

  at::Device device_;
  std::map<std::pair<Weight, Weight>, Weight> next_;  // by the last two uses
  Weight before_ = nullptr, last_ = nullptr;
  Weight coming_ = nullptr;
  CudaFetch fetched_;
  int64_t copies_ = 0, guessed_ = 0;
};

}  // namespace lethe
