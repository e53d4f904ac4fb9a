// Having a say in what autograd keeps for the backward pass; apart from core/torch.h, as one source
// needs it.
#pragma once

#include "core/torch.h"
// After it.
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/saved_variable_hooks.h>
