#include "methods/methods.h"

namespace lethe {

void add_builtin_methods(StrategyRegistry& registry) {
  add_lora(registry);
  add_dora(registry);
  add_ia3(registry);
  add_olora(registry);
  add_inclora(registry);
  add_adalora(registry);
  add_bitfit(registry);
  add_norm_tuning(registry);
  add_prompt(registry);
  add_osf(registry);
  add_freeze(registry);
  add_ewc(registry);
  add_si(registry);
  add_l2(registry);
  add_mas(registry);
  add_rwalk(registry);
  add_ewc_kfac(registry);
  add_multitask(registry);
  add_replay(registry);
  add_a_gem(registry);
  add_gem(registry);
  add_derpp(registry);
  add_distill(registry);
  registry.add_alias(
      {"finetune", "Full fine-tuning: no strategy at all, the lower bound.", {}, {}});
  registry.add_alias({"qlora", "lora on an NF4 base.", {{"lora", {}}}, {{"base", "nf4"}}});
  registry.add_alias({"joint",
                      "multitask over all tasks at every stage.",
                      {{"multitask", {{"tasks", "all"}}}},
                      {}});
  registry.add_alias({"lwf",
                      "distill from the model before the task.",
                      {{"distill", {{"teacher", "previous"}}}},
                      {}});
  registry.add_alias(
      {"der", "derpp without the kept labels' loss.", {{"derpp", {{"beta", "0"}}}}, {}});
}

const StrategyRegistry& builtin_methods() {
  static const StrategyRegistry registry = [] {
    StrategyRegistry made;
    add_builtin_methods(made);
    return made;
  }();
  return registry;
}

}  // namespace lethe
