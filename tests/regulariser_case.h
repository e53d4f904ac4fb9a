// One strategy driven by hand, without the trainer: the ends of tasks, steps of SGD, and the
// penalty at any point. Include tests/catch.h first.
#pragma once

#include <utility>

#include "core/loss.h"
#include "core/update.h"
#include "tests/toys.h"

namespace lethe {

class Driven {
 public:
  Driven(std::unique_ptr<Model> given, TaskStream tasks, const std::string& name,
         const OptionMap& options = {})
      : model(std::move(given)),
        stream(std::move(tasks)),
        strategy(builtin_methods().at(name).make(options)) {
    Setup setup{*model, arena, stream, make_generator(1), {}};
    strategy->prepare(setup);
    adapt(1);
  }

  void adapt(int64_t task) {
    Setup setup{*model, arena, stream, make_generator(1), {}};
    strategy->adapt(setup, task);
    arena.lay_out(*model);
  }

  void begin(int64_t task) {
    TrainingPlan plan;
    plan.parts.push_back({stream.tasks[static_cast<size_t>(task) - 1].train});
    strategy->before_task({task, stream, plan, *model, arena, 4});
  }

  /// after_task on the task's own rows, or on others.
  void end(int64_t task) { strategy->after_task(task_end(task)); }
  void end_on(int64_t task, const Rows& rows, int64_t batch = 256) {
    strategy->after_task({task, stream, rows, *model, arena, make_generator(5), batch});
  }
  TaskEnd task_end(int64_t task = 1, int64_t batch = 256) {
    const Rows& rows = *stream.tasks[static_cast<size_t>(task) - 1].train;
    return {task, stream, rows, *model, arena, make_generator(5), batch};
  }

  void set(const std::vector<float>& values) {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < values.size(); ++i) {
      arena.values()[static_cast<int64_t>(i)] = values[i];
    }
  }

  /// The penalty at the present values and, where asked for, its gradient (n).
  double penalty(Tensor* gradient = nullptr) {
    arena.gradient().zero_();
    const Tensor total = at::zeros_like(arena.values());
    const double value = update(0, &total);
    if (gradient != nullptr) *gradient = total;
    return value;
  }

  /// One step as the trainer makes it; returns the penalty of the update.
  double step(int64_t task, const Batch& batch, double rate) {
    arena.gradient().zero_();
    const Tensor logits = model->forward(batch);
    Tensor loss = task_loss(logits, batch);
    const Tensor extra = strategy->extra_loss({task, steps, stream, batch, logits, *model, arena});
    if (extra.defined()) loss = loss + extra;
    torch::autograd::backward({loss}, {});
    return move(task, batch, logits.detach(), rate);
  }

  /// One step whose task gradient at weight 0 is `gradient`.
  double step_along(int64_t task, double gradient, double rate) {
    arena.gradient()[0] = gradient;
    return move(task, {}, {}, rate);
  }
  double value(int64_t i = 0) const { return arena.values()[i].item<double>(); }
  Tensor twin(const std::string& name) { return arena.twin(name).tensor(); }

  std::unique_ptr<Model> model;
  TaskStream stream;
  std::unique_ptr<Strategy> strategy;
  Arena arena;
  int64_t steps = 0;

 private:
  /// One step of SGD. `total` gets the whole gradient: momentum's buffer is that at step 1.
  double update(double rate, const Tensor* total = nullptr) {
    kernels::Update step;
    step.optimizer = kernels::Optimizer::sgd;
    step.n = arena.size();
    step.value = arena.values().data_ptr<float>();
    step.gradient = arena.gradient().data_ptr<float>();
    step.learning_rate = rate;
    if (total != nullptr) {
      step.momentum = 0.5;
      step.first = total->data_ptr<float>();
    }
    Update contributions(arena, step, [](const Batch&, Tensor) {});
    strategy->contribute(contributions);
    return update_on(at::kCPU, step) + contributions.added_penalty();
  }

  double move(int64_t task, const Batch& batch, const Tensor& logits, double rate) {
    const double penalty = update(rate);
    strategy->after_step({task, steps++, batch, logits, {}, {}, *model, arena});
    return penalty;
  }
};

}  // namespace lethe
