// Rounding at random on a GPU, bit for bit as bf16_round.cc.
#include "core/kernels/cuda_launch.h"
#include "core/kernels/cuda_layers.h"

namespace lethe::kernels {
namespace {

__device__ inline uint32_t mixed(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ (x >> 16);
}

__global__ void round_values(const float* from, int64_t n, uint32_t low, uint32_t high,
                             uint32_t first, uint16_t* to) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) {
    const auto bits = static_cast<uint32_t>(__float_as_int(from[i]));
    const uint32_t noise = mixed(mixed((first + static_cast<uint32_t>(i)) ^ low) + high) >> 16;
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    to[i] = static_cast<uint16_t>((bits + (finite ? noise : 0u)) >> 16);
  }
}

}  // namespace

int round_at_random_cuda(const float* from, int64_t n, uint64_t key, uint64_t first, uint16_t* to,
                         void* stream) {
  if (n == 0) return 0;
  return launch(round_values, grid_of((n - 1) / kThreads + 1), kThreads, stream, from, n,
                static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32),
                static_cast<uint32_t>(first), to);
}

}  // namespace lethe::kernels
