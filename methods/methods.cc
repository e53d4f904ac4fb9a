#include "methods/methods.h"

namespace lethe {

void add_builtin_methods(StrategyRegistry& registry) {
  add_lora(registry);
  add_ewc(registry);
  add_si(registry);
  add_multitask(registry);
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
