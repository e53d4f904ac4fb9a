// The one training loop.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <string>

#include "core/error.h"
#include "core/registry.h"

namespace lethe {

struct TrainOptions {
  std::string optimizer = "adamw";
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0, momentum = 0;
  std::string schedule = "constant";
  double warmup = 0;
  double clip = 0;
  int64_t batch = 32, accumulate = 1, steps = 200, epochs = 0, patience = 0;
  int64_t eval_every = 0, eval_batch = 256, log_every = 50, samples = 2;
  std::string evaluate = "test";
  bool reset_optimizer = true;
  std::string sort = "none";
  int64_t pack = 0;
  std::string levers = "none";

  template <class Visit>
  void fields(Visit&& visit) {
    visit("optimizer", optimizer, one_of({"adamw", "adam", "sgd"}), "update rule");
    visit("lr", lr, above(0.0), "learning rate");
    visit("beta1", beta1, below_from(0.0, 1.0), "first moment's decay");
    visit("beta2", beta2, below_from(0.0, 1.0), "second moment's decay");
    visit("epsilon", epsilon, above(0.0), "added to the root of the second moment");
    visit("weight_decay", weight_decay, at_least(0.0), "decoupled in adamw, an L2 gradient else");
    visit("momentum", momentum, below_from(0.0, 1.0), "of sgd");
    visit("schedule", schedule, one_of({"constant", "linear", "cosine"}),
          "learning rate within each task, down to 0 for linear and cosine");
    visit("warmup", warmup, below_from(0.0, 1.0), "fraction of a task's steps with a rising rate");
    visit("clip", clip, at_least(0.0), "largest L2 norm of the whole gradient; 0 = off");
    visit("batch", batch, at_least(1), "rows a forward pass");
    visit("accumulate", accumulate, at_least(1), "forward passes an optimizer step, averaged");
    visit("steps", steps, at_least(1), "optimizer steps a task, where epochs = 0");
    visit("epochs", epochs, at_least(0), "most passes over a task's rows; 0 = count steps instead");
    visit("patience", patience, at_least(0),
          "epochs without a better validation loss before a task ends; 0 = all epochs");
    visit("eval_every", eval_every, at_least(0),
          "also evaluate every so many steps within a task; 0 = only after tasks");
    visit("evaluate", evaluate, one_of({"test", "validation"}),
          "which rows are scored; validation is for choosing options");
    visit("eval_batch", eval_batch, at_least(1), "rows a forward pass in evaluation");
    visit("log_every", log_every, at_least(1), "steps between points of the loss curve");
    visit("samples", samples, at_least(0), "scored rows a task whose generated text is kept");
    visit("reset_optimizer", reset_optimizer, any(), "start every task with zeroed moments");
    visit("sort", sort, one_of({"none", "length"}),
          "batches of rows of like length, the longest first");
    visit("pack", pack, at_least(0),
          "tokens of a sequence into which several rows are put; 0 = one row a sequence");
    visit("levers", levers, any(),
          "what lowers memory, joined by commas: checkpointing, chunked-loss, adamw8bit, "
          "optimizer-in-backward; see docs/memory.md");
  }
};

struct Progress {
  std::string phase;  ///< "train", "evaluate", "importance"
  int64_t task = 0, tasks = 0, step = 0, steps = 0;
  double loss = 0;
  double per_second = 0;  ///< rows, or tokens where rows have tokens
  bool tokens = false;
  double seconds_left = -1;  ///< of the whole trial; negative = not known
};

/// Thrown by train() when `stop` turned true; the checkpoint, if asked for, holds what was done.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
  ~Interrupted() override;
};

struct TrainRequest {
  Model& model;
  TaskStream& stream;
  Method& method;
  TrainOptions options;
  int64_t seed = 1;
  at::Device device{at::kCPU};
  std::function<std::shared_ptr<Model>(const TeacherRequest&)> open_teacher;
  std::function<void(const Progress&)> progress;  ///< at most about ten calls a second
  const std::atomic<bool>* stop = nullptr;
  /// A file written after every task and continued from, and beside it one with ".step" at the end
  /// for the state within a task; empty = none.
  std::string checkpoint;
  int64_t last_task = 0;  ///< stop after that task as if interrupted (tests); 0 = all
  /// Seconds between two checkpoints at least, within tasks too; 0 = after every task and not
  /// within.
  double checkpoint_seconds = 0;
  int64_t checkpoint_steps = 0;  ///< also within a task after so many of its steps; 0 = not
  int64_t last_step = 0;         ///< stop after so many steps of the trial (tests); 0 = all
  /// Called at the end with the names of all parameters that were trained in any task.
  std::function<void(const std::set<std::string>& trained)> keep;
  bool digest = true;  ///< whether the result has that of the final values
};

/// Removes what train() wrote to continue from.
void remove_checkpoint(const std::string& path);

/// Prepares and adapts the method for task 1 and plans every task, as train() would. Throws Error
/// for what train() would refuse before its first step; the model is changed.
void check_trial(const TrainRequest& request);

/// Trains through the stream under the method; the whole R matrix with row 0, curves, usage,
/// timing, samples. Throws Error for a loss that is not finite, naming task and step. On a CPU
/// subnormal numbers count as zero within, unlike PyTorch's default (core/kernels/subnormals.h).
TrialResult train(const TrainRequest& request);

/// The rows of a task that `options` says to score.
const Rows& scored_rows(const Task& task, const TrainOptions& options);

/// The scores of every task's scored rows and every probe, as they stand. `after_task` and `step`
/// are only written down.
std::vector<Evaluation> evaluate(Model& model, const TaskStream& stream, int64_t after_task,
                                 int64_t step, const TrainOptions& options);

}  // namespace lethe
