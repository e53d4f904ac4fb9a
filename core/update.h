// The fused update on the device where the arena lies, and gradients of other batches.
#pragma once

#include "core/arena.h"
#include "core/kernels/update.h"

namespace lethe {

/// `step` of the values [offset, offset + n) of its arrays.
kernels::Update part_of(const kernels::Update& step, int64_t offset, int64_t n);

/// kernels::update or its CUDA twin.
double update_on(const at::Device& device, const kernels::Update& step);
double squared_norm_on(const at::Device& device, const kernels::Update& step);

/// The gradient of the task loss on `batch` into `out` (n), the arena's gradient left as it is.
void gradient_of(Model& model, const Arena& arena, const Batch& batch, Tensor out);

/// The device called "cpu", "cuda" (the first) or "cuda:INDEX", made the current one. Throws Error
/// naming what was found and what to do where it can't be used. A process that forks opens no GPU.
at::Device open_device(const std::string& name);

/// "cpu", or "cuda NVIDIA H100 80GB HBM3 sm_90": trials of different classes are never mixed.
std::string device_class(const at::Device& device);

/// Bytes of the device's memory that nobody holds yet; 0 of the CPU.
int64_t free_memory(const at::Device& device);

/// Returns when `device` has done all queued work: for clocks. Nothing is queued on the CPU.
void wait_for(const at::Device& device);

}  // namespace lethe
