// How CUDA kernels are launched. Only core/kernels/*.cu includes it; internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace lethe::kernels {
namespace {

constexpr unsigned kThreads = 256;     ///< most threads of a block
constexpr int64_t kMostBlocks = 4096;  ///< of a grid: what is left over, its blocks loop through

/// What an argument's type is not deduced from.
template <class T>
struct Exactly {
  using Type = T;
};

inline int64_t grid_of(int64_t wanted, int64_t most = kMostBlocks) {
  return wanted < 1 ? 1 : wanted < most ? wanted : most;
}

/// What one thread reads or writes at once.
struct alignas(16) Four {
  float at[4];
};

/// Whether an array begins at a multiple of so many bytes.
inline bool starts_at(const void* array, uintptr_t bytes) {
  return reinterpret_cast<uintptr_t>(array) % bytes == 0;
}

/// Threads for one block of n elements: a power of two.
inline unsigned threads_for(int64_t n) {
  unsigned threads = 32;
  while (threads < kThreads && threads < n) threads *= 2;
  return threads;
}

/// Queues kernel(arguments...); returns the cudaError_t of the launch. By the runtime's function
/// and not by <<<>>>, so that a C++ compiler reads these files too (tests/cuda/emulated).
template <class... Parameters>
int launch(void (*kernel)(Parameters...), int64_t blocks, unsigned threads, void* stream,
           typename Exactly<Parameters>::Type... arguments) {
  void* pointers[] = {&arguments...};
  static_cast<void>(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(threads),
                                     pointers, 0, static_cast<cudaStream_t>(stream)));
  return static_cast<int>(cudaGetLastError());
}

}  // namespace
}  // namespace lethe::kernels
