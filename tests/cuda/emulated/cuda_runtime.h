// Stands in for CUDA's header, so that a C++ compiler makes the kernels into functions that run
// here: no GPU's speed, rounding modes or memory model, but its indices, bounds, barriers and
// arithmetic. Only tests/cuda/emulated_kernels.cc finds it.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): CUDA's names
#pragma once

#include <cmath>
#include <cstring>
#include <utility>

#include "tests/cuda/emulated/threads.h"

#define __global__
#define __device__
#define __host__
#define __shared__ static __attribute__((section("emulated_shared")))

/// Shared memory, by the linker's names for that section; GCC leaves out that of templates.
extern char __start_emulated_shared[], __stop_emulated_shared[];

struct dim3 {
  explicit dim3(unsigned x) : x(x) {}
  unsigned x, y = 1, z = 1;
};

inline const lethe::emulated::Index &threadIdx = lethe::emulated::thread,
                                    &blockIdx = lethe::emulated::block,
                                    &blockDim = lethe::emulated::block_size,
                                    &gridDim = lethe::emulated::grid_size;

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidConfiguration = 9 };
inline cudaError_t last_error = cudaSuccess;

inline cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  if (bytes > 0) std::memset(to, value, bytes);
  return cudaSuccess;
}

template <class... Parameters, size_t... kIndex>
void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<kIndex...>) {
  kernel(*static_cast<Parameters*>(arguments[kIndex])...);
}

template <class... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 threads,
                             void** arguments, size_t, cudaStream_t) {
  if (grid.x == 0 || threads.x == 0 || threads.x > 1024) {
    return last_error = cudaErrorInvalidConfiguration;
  }
  lethe::emulated::grid_size.x = grid.x;
  lethe::emulated::block_size.x = threads.x;
  lethe::emulated::Block block(
      threads.x, [=] { call(kernel, arguments, std::index_sequence_for<Parameters...>()); });
  for (unsigned i = 0; i < grid.x; ++i) {
    lethe::emulated::block.x = lethe::emulated::turn_of(i, grid.x, 0);
    const auto shared = static_cast<size_t>(__stop_emulated_shared - __start_emulated_shared);
    std::memset(__start_emulated_shared, 0xff, shared);  // no block finds what another left
    block.run();
  }
  return cudaSuccess;
}

inline void __syncthreads() { lethe::emulated::Block::wait(); }

// Through a volatile, which keeps the compiler from fusing a product with a sum.
template <class Value>
Value rounded(Value value) {
  volatile Value kept = value;
  return kept;
}
inline float __fmul_rn(float a, float b) { return rounded(a * b); }
inline float __fadd_rn(float a, float b) { return rounded(a + b); }
inline float __fsub_rn(float a, float b) { return rounded(a - b); }
inline float __fdiv_rn(float a, float b) { return rounded(a / b); }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline int __float_as_int(float a) { return bits_as<int>(a); }
inline float __int_as_float(int a) { return bits_as<float>(a); }

inline int __dp4a(int a, int b, int sum) {
  for (int byte = 0; byte < 4; ++byte) {
    sum += static_cast<int8_t>(a >> (8 * byte)) * static_cast<int8_t>(b >> (8 * byte));
  }
  return sum;
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
