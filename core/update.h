// The fused update on the device where the arena lies, and gradients of other batches.
#pragma once

#include "core/arena.h"
#include "core/kernels/update.h"

namespace lethe {

/// kernels::update or its CUDA twin. Throws Error in a build without CUDA asked for one.
double update_on(const at::Device& device, const kernels::Update& step);
double squared_norm_on(const at::Device& device, const kernels::Update& step);

/// The gradient of the task loss on `batch` into `out` (n), the arena's gradient left as it is.
void gradient_of(Model& model, const Arena& arena, const Batch& batch, Tensor out);

/// Throws Error naming what was found and what to do where `device` can't be used; "cpu", "cuda",
/// "cuda:1".
at::Device open_device(const std::string& name);

/// "cpu", or "cuda sm_90": trials of different classes are never mixed.
std::string device_class(const at::Device& device);

}  // namespace lethe
