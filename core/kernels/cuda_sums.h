// Sums and maxima of floats over a thread block, in one order. Only core/kernels/*.cu includes it;
// internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/cuda_launch.h"

namespace lethe::kernels {
namespace {

/// Of every thread's number, in every thread; for a power of two of threads, all of which call it.
__device__ inline float block_sum(float mine) {
  __shared__ float sums[kThreads];
  sums[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      sums[threadIdx.x] = __fadd_rn(sums[threadIdx.x], sums[threadIdx.x + half]);
    }
    __syncthreads();
  }
  const float sum = sums[0];
  __syncthreads();  // the next call writes
  return sum;
}

/// The same of the largest; NaN is left out.
__device__ inline float block_largest(float mine) {
  __shared__ float largest[kThreads];
  largest[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      largest[threadIdx.x] = fmaxf(largest[threadIdx.x], largest[threadIdx.x + half]);
    }
    __syncthreads();
  }
  const float found = largest[0];
  __syncthreads();
  return found;
}

}  // namespace
}  // namespace lethe::kernels
