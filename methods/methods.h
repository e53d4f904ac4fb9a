// Every built-in method.
#pragma once

#include "core/registry.h"

namespace lethe {

/// All strategies and aliases, in the order of the documentation.
const StrategyRegistry& builtin_methods();
/// One a file.
void add_lora(StrategyRegistry& registry);
void add_dora(StrategyRegistry& registry);
void add_ia3(StrategyRegistry& registry);
void add_olora(StrategyRegistry& registry);
void add_inclora(StrategyRegistry& registry);
void add_adalora(StrategyRegistry& registry);
void add_bitfit(StrategyRegistry& registry);
void add_norm_tuning(StrategyRegistry& registry);
void add_prompt(StrategyRegistry& registry);
void add_osf(StrategyRegistry& registry);
void add_freeze(StrategyRegistry& registry);
void add_ewc(StrategyRegistry& registry);
void add_si(StrategyRegistry& registry);
void add_l2(StrategyRegistry& registry);
void add_mas(StrategyRegistry& registry);
void add_rwalk(StrategyRegistry& registry);
void add_ewc_kfac(StrategyRegistry& registry);
void add_multitask(StrategyRegistry& registry);
void add_replay(StrategyRegistry& registry);
void add_a_gem(StrategyRegistry& registry);
void add_gem(StrategyRegistry& registry);
void add_derpp(StrategyRegistry& registry);
void add_distill(StrategyRegistry& registry);
/// The calls above, and the aliases finetune, qlora, joint, lwf and der.
void add_builtin_methods(StrategyRegistry& registry);

}  // namespace lethe
