// A method with a memory of past rows, driven by hand without the trainer. Include tests/catch.h
// first.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/loss.h"
#include "core/update.h"
#include "tests/engine_case.h"

namespace lethe {

class Rehearsal {
 public:
  Rehearsal(std::unique_ptr<Model> given, TaskStream tasks, const std::string& name,
            const OptionMap& options)
      : model(std::move(given)),
        stream(std::move(tasks)),
        strategy(builtin_methods().at(name).make(options)) {
    arena.lay_out(*model);
    Setup setup{*model, arena, stream, make_generator(1), {}};
    strategy->prepare(setup);
  }

  void begin(int64_t task, int64_t batch = 256) {
    Setup setup{*model, arena, stream, make_generator(static_cast<uint64_t>(task)), {}};
    strategy->adapt(setup, task);
    const TrainingPlan plan;
    strategy->before_task({task, stream, plan, *model, arena, batch});
  }

  void end(int64_t task) {
    const Rows& rows = *stream.tasks[static_cast<size_t>(task) - 1].train;
    strategy->after_task({task, stream, rows, *model, arena,
                          make_generator(100 + static_cast<uint64_t>(task)), 256});
  }

  /// The extra loss of a step on `batch`.
  Tensor extra(int64_t task, const Batch& batch) {
    return strategy->extra_loss({task, 0, stream, batch, model->forward(batch), *model, arena});
  }

  /// What `gradient` becomes, where the gradient of another batch is what `past` says.
  Tensor rewritten(const Tensor& gradient, const std::function<Tensor(const Batch&)>& past) {
    arena.gradient().zero_();
    arena.gradient().narrow(0, 0, gradient.numel()).copy_(gradient);
    contribute([&](const Batch& batch, Tensor out) {
      out.zero_();
      const Tensor flat = past(batch);
      out.narrow(0, 0, flat.numel()).copy_(flat);
    });
    return arena.gradient().narrow(0, 0, gradient.numel()).clone();
  }

  /// contribute() on the arena's gradient; other batches' gradients are the model's.
  void contribute() {
    contribute(
        [&](const Batch& batch, const Tensor& out) { gradient_of(*model, arena, batch, out); });
  }

  void contribute(const std::function<void(const Batch&, Tensor)>& gradient_of) {
    kernels::Update step;
    step.n = arena.size();
    Update update(arena, step, gradient_of);
    strategy->contribute(update);
  }

  std::unique_ptr<Model> model;
  TaskStream stream;
  std::unique_ptr<Strategy> strategy;
  Arena arena;
};

/// One layer of `units` x `features` weights, all 0.
inline std::unique_ptr<Model> zero_layer(int64_t units, int64_t features) {
  return std::make_unique<OneLayer>(at::zeros({units, features}));
}

/// Tasks of the given rows; row ids of task t begin at 1000 t.
struct GivenTask {
  std::vector<std::vector<float>> inputs;
  std::vector<int64_t> labels, classes;
  std::vector<int64_t> active = {};
};
inline TaskStream given_stream(const std::vector<GivenTask>& tasks, int64_t classes,
                               Scenario scenario = Scenario::class_incremental) {
  TaskStream stream;
  stream.name = "given";
  stream.scenario = scenario;
  stream.classes = classes;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const auto rows = std::make_shared<VectorRows>(1000 * static_cast<int64_t>(t), tasks[t].inputs,
                                                   tasks[t].labels, tasks[t].active, classes);
    stream.tasks.push_back(vector_task("task" + std::to_string(t + 1), rows, tasks[t].classes));
  }
  return stream;
}

/// `rows` rows of one value in each of `tasks` tasks, whose two classes alternate.
inline TaskStream plain_stream(int64_t tasks, int64_t rows) {
  std::vector<GivenTask> given;
  for (int64_t t = 0; t < tasks; ++t) {
    GivenTask task;
    task.classes = {2 * t, 2 * t + 1};
    for (int64_t i = 0; i < rows; ++i) {
      task.inputs.push_back({static_cast<float>(i)});
      task.labels.push_back(2 * t + i % 2);
    }
    given.push_back(task);
  }
  return given_stream(given, 2 * tasks);
}

}  // namespace lethe
