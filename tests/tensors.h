// Looking into tensors. Include tests/catch.h first.
#pragma once

#include <cstdint>
#include <vector>

#include "core/torch.h"

namespace lethe {

inline double largest_difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// The central difference of `f()` by value `i` of `value`, which moves by `h` up and down and
/// back: over what float32 makes of these moves.
template <class Function>
double central_difference(const Tensor& value, int64_t i, double h, Function&& f) {
  const at::NoGradGuard no_grad;
  const Tensor one = value.view({-1}).narrow(0, i, 1), start = one.clone();
  double moved = 0, change = 0;
  for (const int sign : {1, -1}) {
    one.copy_(start + sign * h);
    moved += sign * one.item<double>();
    change += sign * f();
  }
  one.copy_(start);
  return change / moved;
}

/// All values of a tensor of integers, in order of memory.
inline std::vector<int64_t> integers(const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kLong).contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

}  // namespace lethe
