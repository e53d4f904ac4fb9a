// The nonlinearity of a feed-forward layer.
#pragma once

#include "core/models/decoder_config.h"

namespace lethe {

/// f(x), same shape. On the CPU gelu_tanh runs as one loop that keeps its derivative for the
/// backward pass, where libtorch takes tanh twice: a third of the time.
/// Its gradient has no graph of its own.
Tensor activated(Activation activation, const Tensor& x);

/// f(a) b, a gated feed-forward layer's product; a and b of one shape. On the CPU gelu_tanh and
/// silu run as one loop that keeps both factors of the gradients in place of a, f(a) and b. Its
/// gradient has no graph of its own.
Tensor gated(Activation activation, const Tensor& a, const Tensor& b);

}  // namespace lethe
