// Sums and maxima over a thread block, in one order. Only core/kernels/*.cu includes it;
// internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/cuda_launch.h"

namespace lethe::kernels {
namespace {

/// join() over every thread's value in a fixed tree, in every thread; for a power of two of
/// threads, all of which call it. `shared` has kThreads values, which the next call may write.
template <class Value, class Join>
__device__ inline Value block_joined(Value* shared, Value mine, Join join) {
  shared[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      shared[threadIdx.x] = join(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    __syncthreads();
  }
  const Value joined = shared[0];
  __syncthreads();  // the next call writes
  return joined;
}

__device__ inline float block_sum(float mine) {
  __shared__ float sums[kThreads];
  return block_joined(sums, mine, [](float a, float b) { return __fadd_rn(a, b); });
}

/// NaN is left out.
__device__ inline float block_largest(float mine) {
  __shared__ float largest[kThreads];
  return block_joined(largest, mine, [](float a, float b) { return fmaxf(a, b); });
}

}  // namespace
}  // namespace lethe::kernels
