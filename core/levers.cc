#include "core/levers.h"

#include "core/error.h"

namespace lethe {
namespace {

/// Those that `lethe plan` reckons with and the trainer does not have.
const char* const kPlanned[] = {"bf16", "bf16-stochastic"};
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
  for (const char* name : kPlanned) {
    if (!plan::has_lever(levers, name)) continue;
    fail(
        "train.levers has {}, which `lethe plan` reckons with but training does not have; it has "
        "optimizer-in-backward, chunked-loss, adamw8bit, checkpointing and, on a GPU, "
        "offload-optimizer, offload-activations and offload-weights",
        name);
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

void check_levers_on(const plan::Levers& levers, bool cpu) {
  if (levers.moments_8bit && !cpu) {
    fail("train.levers has adamw8bit, which trains on the CPU only; drop it, or set device = cpu");
  }
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
