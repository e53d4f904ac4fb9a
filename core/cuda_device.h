// What the engine asks of a GPU. A build without CUDA has cuda_absent.cc, whose functions throw
// Error saying so; one with CUDA has cuda_device.cc.
#pragma once

#include <string>

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

/// kernels::quantize_4bit and dequantize_4bit of NF4 over contiguous tensors of one device.
void cuda_quantize_nf4(const Tensor& dense, int64_t block, const Tensor& codes,
                       const Tensor& absmax);
void cuda_dequantize_nf4(const Tensor& codes, const Tensor& absmax, int64_t block,
                         const Tensor& dense);

/// A generator of the device, for draws of whole tensors there.
at::Generator cuda_generator(int64_t index, uint64_t seed);

/// Returns when the device has done all that was queued.
void cuda_wait(int64_t index);

/// Books every allocation of device memory from now on (core/memory.h). cuda_open() calls it.
void meter_cuda_memory();

}  // namespace lethe
