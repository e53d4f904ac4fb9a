// Fresh weights, drawn from a generator of their own.
#pragma once

#include <memory>
#include <string>

#include "core/linear.h"

namespace lethe {

/// (rows, columns) uniform in [-bound, bound].
Tensor uniform_weight(int64_t rows, int64_t columns, double bound, at::Generator generator);
/// (rows, columns) normal with mean 0 and the given standard deviation. Without a generator one
/// value stands for all and takes no memory: a shape, to be given its values.
Tensor normal_weight(int64_t rows, int64_t columns, double deviation, at::Generator generator);

/// A Linear with weight and bias uniform in +-1/sqrt(in), PyTorch's default.
std::unique_ptr<Linear> fan_in_linear(const std::string& name, int64_t in, int64_t out,
                                      at::Generator generator, SeamKind kind = SeamKind::linear);

}  // namespace lethe
