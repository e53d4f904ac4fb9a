// Every built-in method.
#pragma once

#include "core/registry.h"

namespace lethe {

/// All strategies and aliases, in the order of the documentation.
const StrategyRegistry& builtin_methods();
/// One a file.
void add_lora(StrategyRegistry& registry);
void add_ewc(StrategyRegistry& registry);
void add_si(StrategyRegistry& registry);
void add_multitask(StrategyRegistry& registry);
void add_distill(StrategyRegistry& registry);
/// The calls above, and the aliases finetune, qlora, joint and lwf.
void add_builtin_methods(StrategyRegistry& registry);

}  // namespace lethe
