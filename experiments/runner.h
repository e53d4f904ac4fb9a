// One trial from its specification to its result.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/adapters/learned.h"
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
  /// Where a killed or stopped trial's state is kept, to continue from; empty = nowhere.
  std::string checkpoint;
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

/// The model of a teacher with fresh weights: of the trial's kind, `request.scale` times as wide,
/// with the request's options in place of the trial's. Weights of a file are read. Throws Error
/// naming option, file or tensor.
std::shared_ptr<Model> untrained_teacher(const Trial& trial, const TaskStream& stream,
                                         const TeacherRequest& request);

/// The same trained jointly on all tasks of the trial's stream and cached by digest, or as its file
/// has it.
std::shared_ptr<Model> joint_teacher(const Trial& trial, TaskStream& stream,
                                     const TeacherRequest& request, const std::atomic<bool>* stop);

/// Checks the vocabulary of a model of starting weights, puts the adapter on that the trial starts
/// from, which is returned, and gives the base its format.
std::optional<Learned> finish_model(const Trial& trial, const ModelShape& shape, Model& model);

/// Throws Error where the model's token embedding has fewer rows than the tokenizer has tokens.
void check_vocabulary(Model& model, const ModelShape& shape);

}  // namespace lethe
