// Where Lethe's own kernels are queued on a GPU, and what their launches returned. Only the files
// of a CUDA build include it.
#pragma once

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>

namespace lethe {

/// As libtorch counts devices.
inline c10::DeviceIndex cuda_index(int64_t index) { return static_cast<c10::DeviceIndex>(index); }

/// Throws Error naming the GPU, `what` failed on it, and the cudaError_t `result`, where it is one.
void check_cuda(int result, int64_t index, const char* what);

/// Makes current the device on which work is queued, and gives its stream.
struct Queue {
  explicit Queue(int64_t index)
      : guard(cuda_index(index)), stream(c10::cuda::getCurrentCUDAStream(cuda_index(index))) {}
  c10::cuda::CUDAGuard guard;
  c10::cuda::CUDAStream stream;
};

}  // namespace lethe
