#include "core/levers.h"

#include "core/error.h"

namespace lethe {
namespace {

/// Those that bring what lies on a device to the host.
const char* const kOffloading[] = {"offload-optimizer", "offload-activations", "offload-weights"};

/// optimizer-in-backward never holds the whole gradient.
void check_backward_update(const TrainOptions& options) {
  if (options.clip > 0) {
    fail(
        "train.levers has optimizer-in-backward, which excludes train.clip = {}: the norm is known "
        "only when values have moved; drop one of them",
        options.clip);
  }
  if (options.accumulate > 1) {
    fail(
        "train.levers has optimizer-in-backward, which excludes train.accumulate = {}: values move "
        "in every backward pass; drop one of them",
        options.accumulate);
  }
}

}  // namespace

plan::Levers levers_of(const TrainOptions& options) {
  const plan::Levers levers = plan::parse_levers(options.levers);
  if (levers.accumulate > 1) {
    fail("train.levers has accumulate={}; write train.accumulate = {} instead", levers.accumulate,
         levers.accumulate);
  }
  if (levers.bf16 && levers.stochastic) {
    fail(
        "train.levers has bf16, which excludes bf16-stochastic: the one keeps float32 copies, the "
        "other does without; drop one of them");
  }
  if (levers.backward_update) check_backward_update(options);
  if (levers.moments_8bit && options.optimizer == "sgd") {
    fail(
        "train.levers has adamw8bit, but train.optimizer = sgd has no two moments; choose adamw or "
        "adam, or drop the lever");
  }
  if (levers.offload_moments && options.optimizer == "sgd" && options.momentum == 0) {
    fail(
        "train.levers has offload-optimizer, but train.optimizer = sgd without momentum keeps "
        "nothing; drop the lever");
  }
  return levers;
}

ValueStore value_store(const plan::Levers& levers) {
  if (levers.stochastic) return ValueStore::bf16;
  return levers.bf16 ? ValueStore::bf16_with_master : ValueStore::float32;
}

void check_levers_on(const plan::Levers& levers, bool cpu) {
  for (const char* name : kOffloading) {
    if (!cpu || !plan::has_lever(levers, name)) continue;
    fail(
        "train.levers has {}, but with device = cpu all memory is the host's; drop the lever, or "
        "train on a GPU",
        name);
  }
}

void check_levers(const plan::Levers& levers, const Method& method) {
  for (size_t i = 0; i < method.strategies.size(); ++i) {
    const Strategy& strategy = *method.strategies[i];
    if (levers.chunk > 0 && strategy.reads_logits()) {
      fail("chunked-loss excludes {}: it reads all logits of a step; drop one of them",
           method.names[i]);
    }
    if (value_store(levers) != ValueStore::float32 && strategy.writes_values()) {
      fail("{} excludes {}: it sets trained values itself, in float32; drop one of them",
           levers.bf16 ? "bf16" : "bf16-stochastic", method.names[i]);
    }
    if (levers.backward_update && (strategy.reads_gradient() || strategy.reads_step())) {
      fail("optimizer-in-backward excludes {}: it reads the whole gradient; drop one of them",
           method.names[i]);
    }
  }
}

void check_levers(const plan::Levers& levers, const Model& model, const Method& method) {
  if (levers.checkpoint > 0 && !model.has_blocks()) {
    fail("train.levers has checkpointing, but this model has no blocks; drop the lever");
  }
  if (levers.chunk > 0 && !model.has_states()) {
    fail(
        "train.levers has chunked-loss, but this model makes one prediction a row; drop the lever");
  }
  if (levers.offload_activations && !model.has_blocks()) {
    fail("train.levers has offload-activations, but this model has no blocks; drop the lever");
  }
  check_levers(levers, method);
}

}  // namespace lethe
