// One trial from its specification to its result.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "core/models/models.h"
#include "core/train.h"
#include "experiments/sweep.h"

namespace lethe {

struct RunSettings {
  std::string device = "cpu";
  const StrategyRegistry* registry = nullptr;
  std::function<void(const Progress&)> progress;
  std::function<void(const std::string&)> warn;  ///< of the stream, such as shared rows
  const std::atomic<bool>* stop = nullptr;
  std::string keep;  ///< the file for what the trial learned; empty = none
};

/// Builds stream, model and method, and trains. Throws what goes wrong, as Error.
TrialResult run_trial(const Trial& trial, const RunSettings& settings);

/// The shape that the stream (and, for text, the tokenizer and the mixture on which a decoder is
/// pretrained) ask of a model of that name.
ModelShape shape_for(const TaskStream& stream, const std::string& model);

/// A model of the trial's kind with its starting weights: pretrained for text, where asked for,
/// else fresh from the trial's seed. The base's format is not applied yet.
std::unique_ptr<Model> starting_model(const Part& part, const ModelShape& shape, int64_t seed,
                                      const std::atomic<bool>* stop);

/// A model trained jointly on all tasks of the trial's stream, `request.scale` times as wide;
/// cached.
std::shared_ptr<Model> joint_teacher(const Trial& trial, TaskStream& stream,
                                     const TeacherRequest& request, const std::atomic<bool>* stop);

/// Throws Error where the model's token embedding has fewer rows than the tokenizer has tokens.
void check_vocabulary(Model& model, const ModelShape& shape);

/// Quantises the blocks' Linear seams; the head and embeddings stay.
void apply_base(Model& model, const std::string& format);

}  // namespace lethe
