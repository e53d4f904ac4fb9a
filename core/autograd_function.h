// torch::autograd::Function, apart from core/torch.h: its templates are made again in every source
// that sees them, whether it has a use for them or not, and take as long as all the rest.
#pragma once

#include "core/torch.h"
// After it.
#include <torch/csrc/autograd/custom_function.h>
