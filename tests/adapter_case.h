// A model that a method of adapters or freezing has prepared, for tests. Include tests/catch.h
// first.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine_case.h"
#include "tests/files.h"
#include "tests/tensors.h"

namespace lethe {

inline std::vector<std::string> trained(Model& model) {
  std::vector<std::string> names;
  for (const Parameter& parameter : model.trainable()) names.push_back(parameter.name);
  return names;
}

/// A decoder of random weights that are spread out, so that its outputs depend on what it reads.
inline std::unique_ptr<Model> small_decoder(const std::string& family, OptionMap options = {},
                                            int64_t vocabulary = 24, int64_t longest = 16) {
  ModelShape shape;
  shape.vocabulary = vocabulary;
  shape.longest = longest;
  options.insert({{"family", family}, {"width", "16"}, {"layers", "2"}, {"heads", "4"}});
  auto model = model_entry("decoder").make(options, shape, make_generator(3));
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model->parameters()) {
    if (parameter.value.dim() == 2) parameter.value.mul_(4);
  }
  return model;
}

/// `rows` rows of one length, every position predicted.
inline Batch token_batch(const std::vector<int64_t>& ids, int64_t rows) {
  Batch batch;
  const auto length = static_cast<int64_t>(ids.size()) / rows;
  batch.inputs = at::tensor(ids).view({rows, length});
  batch.positions = at::arange(rows * length, at::kLong);
  batch.row_of = batch.positions.div(length, "floor");
  batch.targets = batch.inputs.view(-1).roll(1);
  return batch;
}

/// prepare and adapt(1), as the trainer calls them.
struct Adapted {
  Adapted(const std::string& method, const OptionMap& options,
          std::unique_ptr<Model> given = mlp(6, 8, 2, 4), Batch rows = {})
      : model(std::move(given)),
        stream(random_stream(Scenario::class_incremental, 2)),
        batch(std::move(rows)) {
    if (!batch.inputs.defined()) batch = stream.tasks[0].train->batch({0, 1, 2, 3, 4});
    if (batch.positions.defined()) stream.longest = batch.inputs.size(1);
    before = model->forward(batch).detach();
    strategy = builtin_methods().at(method).make(options);
    Setup setup{*model, arena, stream, make_generator(1), {}};
    strategy->prepare(setup);
    prepared = model->forward(batch).detach();
    adapt(1);
  }

  void adapt(int64_t task) {
    Setup setup{*model, arena, stream, make_generator(static_cast<uint64_t>(task)), {}};
    strategy->adapt(setup, task);
    arena.lay_out(*model);
  }

  /// As if trained: every trained value moves, each by another amount.
  void move(double by = 0.1) {
    const at::NoGradGuard no_grad;
    at::Generator generator = make_generator(9);
    for (Parameter& parameter : model->trainable()) {
      parameter.value.add_(at::empty_like(parameter.value).uniform_(-by, by, generator));
    }
  }

  Tensor forward() { return model->forward(batch).detach(); }

  Tensor parameter(const std::string& name) {
    for (Parameter& parameter : model->parameters()) {
      if (parameter.name == name) return parameter.value;
    }
    throw Error("no parameter is called " + name);
  }

  void merge() {
    for (Linear* seam : model->linears()) seam->merge_adapters();
  }

  std::unique_ptr<Model> model;
  TaskStream stream;
  Arena arena;
  Batch batch;
  Tensor before, prepared;  // logits
  std::unique_ptr<Strategy> strategy;
};

/// The digest of the weights after three tasks, in one go or interrupted after `interrupted` ones.
inline std::string digest_of(const std::string& method, const OptionMap& options,
                             int64_t interrupted = 0) {
  const auto once = [&](const std::string& checkpoint, int64_t last_task) {
    const auto model = mlp(6, 8, 2, 6);
    TaskStream stream = random_stream(Scenario::class_incremental, 3);
    Method made = method_of(method, options);
    TrainRequest request = small_request(*model, stream, made);
    request.checkpoint = checkpoint;
    request.last_task = last_task;
    return train(request).weights_digest;
  };
  if (interrupted == 0) return once("", 0);
  const Scratch scratch;
  const std::string checkpoint = scratch.path("checkpoint");
  try {
    once(checkpoint, interrupted);
  } catch (const Interrupted&) {
  }
  return once(checkpoint, 0);
}

/// Trains the perceptron on two tasks; the largest change of a base value, by name.
inline std::map<std::string, double> base_changes(const std::string& method,
                                                  const OptionMap& options = {}) {
  const auto model = mlp(6, 8, 2, 4);
  std::map<std::string, Tensor> before;
  for (Parameter& parameter : model->parameters()) {
    before[parameter.name] = parameter.value.detach().clone();
  }
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method made = method_of(method, options);
  train(small_request(*model, stream, made));
  std::map<std::string, double> changes;
  for (Parameter& parameter : model->parameters()) {
    if (before.count(parameter.name) == 0) continue;
    changes[parameter.name] = largest_difference(parameter.value, before[parameter.name]);
  }
  return changes;
}

}  // namespace lethe
