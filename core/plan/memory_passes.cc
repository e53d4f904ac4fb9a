// What methods with a memory of past rows keep, and the passes that they add to a step.
#include <algorithm>

#include "core/plan/method.h"

namespace lethe::plan {
namespace {

constexpr int64_t kIds = 16;                             // bytes a kept row
constexpr int64_t kGemBudget = 256, kDerppBudget = 200;  // the methods' own defaults

/// methods/gem.cc: all kept rows of a past task at once; one gradient a past task, one after the
/// other.
MemoryPasses gem_passes(const PlanRequest& request) {
  MemoryPasses passes;
  if (request.tasks < 2) return passes;
  const int64_t budget = request.budget > 0 ? request.budget : kGemBudget;
  passes.gradient_rows = request.memory_rows > 0 ? std::min(request.memory_rows, budget) : budget;
  passes.kept = kIds * budget * (request.tasks - 1);
  return passes;
}

/// Predicted positions of a row.
int64_t positions_of_row(const ModelFacts& model, const PlanRequest& request) {
  if (model.classifies) return 1;
  const bool target = model.form == Form::seq2seq && request.target_length > 0;
  const int64_t all = target ? request.target_length : request.length;
  return request.predicted > 0 ? std::min(request.predicted, all) : all;
}

/// methods/derpp.cc: a draw whose kept logits are matched and, but for der, one for its labels.
MemoryPasses derpp_passes(const std::string& name, const ModelFacts& model,
                          const PlanRequest& request) {
  const int64_t budget = request.budget > 0 ? request.budget : kDerppBudget;
  const int64_t drawn =
      request.memory_rows > 0 ? request.memory_rows : request.batch / request.levers.accumulate;
  MemoryPasses passes;
  passes.losses = name == "der" ? 1 : 2;
  passes.matched = true;
  passes.loss_rows = std::min(drawn, budget);
  const int64_t logits = positions_of_row(model, request) * model.classes();
  passes.kept = budget * (kIds + logits * value_bytes(request.compute));
  return passes;
}

}  // namespace

MemoryPasses memory_passes(const std::string& name, const ModelFacts& model,
                           const PlanRequest& request) {
  if (name == "gem") return gem_passes(request);
  if (name == "derpp" || name == "der") return derpp_passes(name, model, request);
  return {};
}

}  // namespace lethe::plan
