// Hearing of a parameter's gradient in the backward pass, and finding where it gathers; apart from
// core/torch.h, as few sources need it.
#pragma once

#include "core/torch.h"
// After it.
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/variable.h>
