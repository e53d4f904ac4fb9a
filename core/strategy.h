// A strategy: one countermeasure to forgetting. It answers the trainer's calls and owns no loop.
//
//   prepare -> [ adapt -> (arena laid out) -> training_plan -> before_task ->
//                ( forward -> extra_loss -> backward -> contribute -> update -> after_step )* ->
//                after_task -> evaluation -> state ]*
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive.h"
#include "core/arena.h"
#include "core/capture.h"
#include "core/kernels/update.h"
#include "core/task.h"
#include "core/teacher_request.h"

namespace lethe {

/// Before training and before each task: freeze, extend, quantise through the seams. Parameters
/// that are added may lie on the CPU: they are moved before the arena is laid out.
struct Setup {
  Model& model;
  Arena& arena;
  const TaskStream& stream;
  at::Generator generator;  ///< the CPU's, for the strategy's own draws (initial adapters)
  std::function<std::shared_ptr<Model>(const TeacherRequest&)> open_teacher;
};

/// Rows from which a task's steps draw: one union, every row as likely, unless shares are given.
struct TrainingPlan {
  struct Part {
    RowsPtr rows;
    double share = 0;  ///< of the batch's rows; 0 = by number of rows
  };
  std::vector<Part> parts;
};

struct TaskBegin {
  int64_t task;  ///< 1-based
  const TaskStream& stream;
  const TrainingPlan& plan;
  Model& model;
  Arena& arena;
  int64_t batch_size;
  int64_t steps = 0;  ///< optimizer steps that the task takes at most (patience may end it before)
};

/// One forward pass has been done.
struct Step {
  int64_t task;  ///< 1-based
  int64_t step;  ///< optimizer steps before this one, over the trial
  const TaskStream& stream;
  const Batch& batch;
  Tensor logits;  ///< (P, C), with a graph; undefined under the lever chunked-loss
  Model& model;
  Arena& arena;
  /// Logits of another batch, with a graph.
  Tensor forward(const Batch& other) const { return model.forward(other); }
  /// Logits of `other` as the values of `twin` give them: no graph, dropout off, arena unwritten.
  Tensor under(const Twin& twin, const Batch& other) const;
};

/// Gradients are ready, values have not moved.
class Update {
 public:
  Update(Arena& arena, kernels::Update& step, std::function<void(const Batch&, Tensor)> gradient_of)
      : arena_(arena), step_(step), gradient_of_(std::move(gradient_of)) {}

  /// strength * sum importance (theta - anchor)^2; an empty importance counts as 1. Its gradient is
  /// applied in the fused pass, its value comes out of it; terms beyond kernels::kMaxTerms are
  /// added as add_gradient() does, at the cost of a pass of their own.
  void add_quadratic(double strength, const Twin& importance, const Twin& anchor);
  /// path -= gradient * displacement, in the fused pass; `total` adds the penalties' gradients.
  void add_path(const Twin& path, bool total);
  /// The flat gradient (n) of task loss plus extra losses; may be rewritten.
  Tensor gradient() { return arena_.gradient(); }
  /// A penalty of this value and gradient (n), which is kept until the step is done. As the
  /// quadratic terms' gradients it stays out of gradient() and of paths that are not total.
  void add_gradient(const Tensor& flat, double penalty);
  /// The gradient of the task loss on another batch, into `twin`; the flat gradient stays as it is.
  void gradient_of(const Batch& other, const Twin& twin) { gradient_of_(other, twin.tensor()); }
  const std::vector<ArenaRange>& ranges() const { return arena_.ranges(); }
  double added_penalty() const { return added_penalty_; }

 private:
  void add_outside(double strength, const Twin& importance, const Twin& anchor);

  Arena& arena_;
  kernels::Update& step_;
  std::function<void(const Batch&, Tensor)> gradient_of_;
  double added_penalty_ = 0;
  Tensor added_;
};

/// Values have moved. gradient and displacement (n) are defined only for strategies that read them.
struct StepEnd {
  int64_t task, step;
  const Batch& batch;
  Tensor logits;  ///< detached; undefined under the lever chunked-loss
  Tensor gradient, displacement;
  Model& model;
  Arena& arena;
};

/// After the last step of a task, before evaluation. Values, mode and generators must stay as they
/// are.
struct TaskEnd {
  int64_t task;
  const TaskStream& stream;
  const Rows& rows;  ///< the task's training rows
  Model& model;
  Arena& arena;
  at::Generator generator;
  int64_t batch_size;
  /// Whether no task comes after it.
  bool last() const { return task == static_cast<int64_t>(stream.tasks.size()); }
  void copy_values_to(const Twin& twin) const;
};

class Strategy {
 public:
  virtual ~Strategy();
  virtual void prepare(Setup&) {}
  virtual void adapt(Setup&, int64_t /*task*/) {}
  virtual void training_plan(const TaskStream&, int64_t /*task*/, TrainingPlan&) {}
  virtual void before_task(const TaskBegin&) {}
  /// A term with a graph, in units of the task loss, or an undefined tensor.
  virtual Tensor extra_loss(const Step&) { return {}; }
  virtual void contribute(Update&) {}
  /// Whether contribute() reads or rewrites the flat gradient: levers must leave it whole then.
  virtual bool reads_gradient() const { return false; }
  virtual bool reads_logits() const { return false; }  ///< of a Step or StepEnd; likewise
  virtual void after_step(const StepEnd&) {}
  /// Whether after_step() reads gradient, displacement.
  virtual bool reads_step() const { return false; }
  virtual bool writes_values() const { return false; }  ///< by itself: they stay float32 then
  virtual void after_task(const TaskEnd&) {}
  /// What it keeps outside of twins, whatever it may be in the middle of a task: a trial continued
  /// there has called before_task() as at the task's beginning, and then this.
  virtual void state(Archive&) {}
  /// After prepare(): what its strength multiplies at this stream, of a quadratic penalty.
  virtual std::optional<PenaltyForm> penalty_form(const TaskStream&) const { return {}; }
};

}  // namespace lethe
