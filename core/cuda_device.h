// What the engine asks of a GPU. A build without CUDA has cuda_absent.cc, whose functions throw
// Error saying so; one with CUDA has cuda_device.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/kernels/tile_product.h"
#include "core/kernels/update.h"
#include "core/torch.h"

namespace lethe {

/// The device called "cuda" (the first) or "cuda:INDEX", made the current one. Turns on
/// deterministic algorithms and the meter of device memory. Throws Error naming the device asked
/// for, how many are visible and what to do where it can't be had. A process that forks must not
/// call this before.
at::Device cuda_open(const std::string& name);

/// "cuda NVIDIA H100 80GB HBM3 sm_90".
std::string cuda_class(int64_t index);

/// kernels::update and kernels::squared_norm with every pointer of `step` on the device. The
/// penalty and the norm are waited for; without terms, or where it is not wanted, the penalty is 0
/// and nothing is.
double cuda_update(int64_t index, const kernels::Update& step);
double cuda_squared_norm(int64_t index, const kernels::Update& step);

/// The functions of these names in kernels::, with every pointer but the maps' on the device.
void cuda_quantize_4bit(int64_t index, kernels::FourBit format, const float* x, int64_t n,
                        int64_t block, uint8_t* packed, float* absmax);
void cuda_dequantize_4bit(int64_t index, kernels::FourBit format, const uint8_t* packed,
                          const float* absmax, int64_t n, int64_t block, float* out);
void cuda_dequantize_scales(int64_t index, const kernels::NestedScales& nested, int64_t begin,
                            int64_t n, float* scales);
void cuda_quantize_8bit(int64_t index, const kernels::ByteMap& map, const float* x, int64_t n,
                        int64_t block, uint8_t* codes, float* absmax);
void cuda_dequantize_8bit(int64_t index, const kernels::ByteMap& map, const uint8_t* codes,
                          const float* absmax, int64_t n, int64_t block, float* out);
void cuda_linear_int8(int64_t index, const float* x, int64_t tokens, const kernels::Int8Matrix& w,
                      float threshold, const float* bias, float* y);

/// Copies of host tensors on the device, on their way until cuda_await().
struct CudaFetch {
  std::vector<Tensor> there;
  std::shared_ptr<void> arrival;
};
/// Begins to copy on a stream beside the present one; of cuda_pinned() tensors while other work
/// runs.
CudaFetch cuda_fetch(int64_t index, const std::vector<Tensor>& host);
/// What is queued from now on finds the copies whole, and their memory is kept for it.
void cuda_await(int64_t index, const CudaFetch& fetch);
/// A copy in page-locked memory.
Tensor cuda_pinned(const Tensor& host);

/// A generator of the device, for draws of whole tensors there.
at::Generator cuda_generator(int64_t index, uint64_t seed);

/// Bytes that the driver could still give, beside this process's own.
int64_t cuda_free_memory(int64_t index);

/// Returns when the device has done all that was queued.
void cuda_wait(int64_t index);

/// Books every allocation of device memory from now on (core/memory.h). cuda_open() calls it.
void meter_cuda_memory();

}  // namespace lethe
