// Looking into tensors. Include tests/catch.h first.
#pragma once

#include <cstdint>
#include <vector>

#include "core/torch.h"

namespace lethe {

inline double largest_difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// All values of a tensor of integers, in order of memory.
inline std::vector<int64_t> integers(const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kLong).contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

}  // namespace lethe
