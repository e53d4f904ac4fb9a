// What the CUDA kernels of quantised formats share: the CPU's arithmetic in products and sums that
// are never contracted. Only core/kernels/*.cu includes it; internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include <cfloat>

#include "core/kernels/byte_map.h"
#include "core/kernels/cuda_sums.h"

namespace lethe::kernels {
namespace {

/// The bits of |x|: in the order of the sizes, NaN above all.
__device__ inline int size_bits(float x) { return __float_as_int(x) & 0x7fffffff; }

__device__ inline int larger(int a, int b) { return a < b ? b : a; }

/// The largest of the block's numbers, in every thread: exact in any order.
__device__ inline int block_most(int mine) {
  __shared__ int most[kThreads];
  return block_joined(most, mine, [](int a, int b) { return larger(a, b); });
}

/// 1 / most, held finite.
__device__ inline float reciprocal_of(float most) {
  const float reciprocal = __fdiv_rn(1.0f, most);
  return reciprocal > FLT_MAX ? FLT_MAX : reciprocal;
}

/// How many of 2 * kHalf - 1 rising thresholds lie below x.
template <unsigned kHalf>
__device__ inline unsigned count_below(const float* thresholds, float x) {
  unsigned below = 0;
  for (unsigned half = kHalf; half > 0; half /= 2) {
    if (x > thresholds[below + half - 1]) below += half;
  }
  return below;
}

/// A byte map's values, to be passed to a kernel.
struct MapValues {
  float at[256];
};

inline MapValues values_of(const ByteMap& map) {
  MapValues values;
  for (int code = 0; code < 256; ++code) values.at[code] = map.values()[code];
  return values;
}

/// The map's 255 midpoints, to shared memory; the caller's next barrier makes them visible.
__device__ inline void fill_middles(const MapValues& map, float* middles) {
  for (unsigned i = threadIdx.x; i < 255; i += blockDim.x) {
    middles[i] = __fmul_rn(__fadd_rn(map.at[i], map.at[i + 1]), 0.5f);
  }
}

/// The map's values to shared memory, as above.
__device__ inline void fill_values(const MapValues& map, float* values) {
  for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) values[i] = map.at[i];
}

__device__ inline uint8_t map_code(const float* middles, float x) {
  return static_cast<uint8_t>(count_below<128>(middles, x));
}

}  // namespace
}  // namespace lethe::kernels
