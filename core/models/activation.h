// The nonlinearity of a feed-forward layer.
#pragma once

#include "core/models/decoder_config.h"

namespace lethe {

/// f(x), same shape. On the CPU gelu_tanh runs as one loop that keeps its derivative for the
/// backward pass, where libtorch takes tanh twice: a third of the time.
/// Its gradient has no graph of its own.
Tensor activated(Activation activation, const Tensor& x);

}  // namespace lethe
