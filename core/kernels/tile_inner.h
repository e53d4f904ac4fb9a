// The inner loop of the tile products: kRegisterRows rows of `a` times a panel of 16 neighbours of
// `b`, summed in registers. Internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/outer.h"
#include "core/kernels/tile_isa.h"

namespace lethe::kernels {
namespace {

constexpr int kVectors = static_cast<int>(kPanel) / kLaneCount;
constexpr int kRegisterRows = kVectors == 1 ? 12 : 6;

/// c[r][j] += sum_k a[r * row + k * step] b[k * kPanel + j], in the order of k.
inline void add_products(int64_t depth, const float* a, int64_t row, int64_t step, const float* b,
                         float* c, int64_t stride) {
  Floats sum[kRegisterRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRegisterRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load(c + r * stride + v * kLaneCount);
  }
  add_outer(depth, a, row, step, b, kPanel, sum);
#pragma GCC unroll 12
  for (int r = 0; r < kRegisterRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(c + r * stride + v * kLaneCount, sum[r][v]);
  }
}

}  // namespace
}  // namespace lethe::kernels
