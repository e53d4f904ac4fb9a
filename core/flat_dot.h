// Dot products of tensors in the arena's layout, on the device where they lie.
#pragma once

#include "core/torch.h"

namespace lethe {

/// a . b in double precision; a, b (n) float32, contiguous, on one device.
double flat_dot(const Tensor& a, const Tensor& b);

}  // namespace lethe
