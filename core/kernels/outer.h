// The inner loop of every product here: sums in registers. Internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include "core/kernels/lanes.h"

namespace lethe::kernels {
namespace {

/// sum[r][c] += sum_k a[r * row + k * step] b[k * stride + c], c counting registers, in k's order.
template <int kRows, int kColumns>
inline void add_outer(int64_t depth, const float* a, int64_t row, int64_t step, const float* b,
                      int64_t stride, Floats (&sum)[kRows][kColumns]) {
  for (int64_t k = 0; k < depth; ++k) {
    Floats right[kColumns];
#pragma GCC unroll 2
    for (int c = 0; c < kColumns; ++c) right[c] = load(b + k * stride + c * kLaneCount);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const Floats left = all(a[r * row + k * step]);
#pragma GCC unroll 2
      for (int c = 0; c < kColumns; ++c) sum[r][c] = fused(left, right[c], sum[r][c]);
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
