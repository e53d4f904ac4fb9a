// The tiles of CUDA products: a thread block makes 64 tokens x 64 outputs at a time, each thread 4
// x 4 of them, from two slices of the sum in shared memory. Every output is summed by one thread in
// the order of the columns. Only core/kernels/*.cu includes it; internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include "core/kernels/cuda_launch.h"

namespace lethe::kernels {
namespace {

constexpr int kTile = 64;
constexpr int kSide = 4;
constexpr int kAcross = kTile / kSide;  ///< threads along a side
constexpr int kPitch = kTile + 1;       ///< of shared rows: a warp's threads meet different banks
constexpr int64_t kMostTiles = 1 << 20;
static_assert(kAcross * kAcross == kThreads, "a thread for every 4 x 4 outputs");

/// Where a tile begins. Tiles of the same outputs follow each other: they share the weight's part.
struct TilePlace {
  int64_t token, output;
};

__device__ inline TilePlace tile_place(int64_t tile, int64_t tokens) {
  const int64_t down = (tokens + kTile - 1) / kTile;
  return {tile % down * kTile, tile / down * kTile};
}

__host__ __device__ inline int64_t tiles_of(int64_t tokens, int64_t outputs) {
  return (tokens + kTile - 1) / kTile * ((outputs + kTile - 1) / kTile);
}

__device__ inline float fused(float a, float b, float sum) { return __fmaf_rn(a, b, sum); }

/// Four products of neighbouring codes, exact.
__device__ inline int fused(int a, int b, int sum) { return __dp4a(a, b, sum); }

/// sum[i][j] += left[d][token] right[d][output] for d < depth, in order. This thread's tokens and
/// outputs are 16 apart.
template <class Value>
__device__ void add_slices(int depth, const Value (*left)[kPitch], const Value (*right)[kPitch],
                           Value (&sum)[kSide][kSide]) {
  const unsigned down = threadIdx.x / kAcross, across = threadIdx.x % kAcross;
#pragma unroll 4
  for (int d = 0; d < depth; ++d) {
    Value a[kSide], b[kSide];
    for (int i = 0; i < kSide; ++i) a[i] = left[d][down + i * kAcross];
    for (int j = 0; j < kSide; ++j) b[j] = right[d][across + j * kAcross];
    for (int i = 0; i < kSide; ++i) {
      for (int j = 0; j < kSide; ++j) sum[i][j] = fused(a[i], b[j], sum[i][j]);
    }
  }
}

/// write(token, output, sum) for those of this thread's sums that are there.
template <class Value, class Write>
__device__ void write_tile(const TilePlace& place, int64_t tokens, int64_t outputs,
                           const Value (&sum)[kSide][kSide], const Write& write) {
  const unsigned down = threadIdx.x / kAcross, across = threadIdx.x % kAcross;
#pragma unroll  // sums that are indexed in a loop would leave their registers
  for (int i = 0; i < kSide; ++i) {
    const int64_t token = place.token + down + int64_t{i} * kAcross;
#pragma unroll
    for (int j = 0; j < kSide; ++j) {
      const int64_t output = place.output + across + int64_t{j} * kAcross;
      if (token < tokens && output < outputs) write(token, output, sum[i][j]);
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
