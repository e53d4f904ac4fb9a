// Products on a GPU with a weight of which a few rows at a time are float32: libtorch multiplies.
#pragma once

#include <cstdint>
#include <functional>

#include "core/torch.h"

namespace lethe {

/// Rows [from, from + n) of a weight in float32: (n, in).
using WeightRows = std::function<Tensor(int64_t from, int64_t n)>;

/// Values of a weight that are float32 at a time, at most, and at most half of it, but for a slice
/// of `unit` rows.
constexpr int64_t kSliceValues = int64_t{4} << 20;  // 16 MiB

/// x (n, in) W^T + bias, which may be undefined: (n, out). Slices are multiples of `unit` rows, but
/// for the last.
Tensor multiply_slices(const Tensor& x, int64_t out, int64_t unit, const WeightRows& rows,
                       const Tensor& bias);
/// gy (n, out) W: (n, in).
Tensor multiply_slices_back(const Tensor& gy, int64_t in, int64_t unit, const WeightRows& rows);

}  // namespace lethe
