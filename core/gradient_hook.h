// Hearing of a parameter's gradient in the backward pass; apart from core/torch.h, as one source
// needs it.
#pragma once

#include "core/torch.h"
// After it.
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
