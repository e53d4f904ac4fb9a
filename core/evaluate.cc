#include "core/memory.h"
#include "core/score.h"
#include "core/train.h"

namespace lethe {
namespace {

/// What is measured at one time: rows in one metric, or a probe in several.
struct Measured {
  int64_t on_task = 0;
  std::string name;
  std::vector<MetricInfo> metrics;
  const Rows* rows = nullptr;
  std::vector<std::string> stop = {};
};

std::vector<Measured> all_measured(const TaskStream& stream, const TrainOptions& options) {
  std::vector<Measured> all;
  for (const Task& task : stream.tasks) {
    const auto number = static_cast<int64_t>(all.size()) + 1;
    all.push_back({number, task.name, {task.metric}, &scored_rows(task, options), task.stop});
  }
  for (const Probe& probe : stream.probes) {
    Measured& last = all.back();
    if (last.on_task == 0 && last.name == probe.name && last.rows == probe.rows.get()) {
      last.metrics.push_back(probe.metric);
    } else {
      all.push_back({0, probe.name, {probe.metric}, probe.rows.get()});
    }
  }
  return all;
}

}  // namespace

const Rows& scored_rows(const Task& task, const TrainOptions& options) {
  return options.evaluate == "validation" ? *task.validation : *task.test;
}

std::vector<Evaluation> evaluate(Model& model, const TaskStream& stream, int64_t after_task,
                                 int64_t step, const TrainOptions& options) {
  const MemoryTag tag(Category::activations);
  const Evaluating evaluating(model);
  std::vector<Evaluation> scores;
  for (const Measured& one : all_measured(stream, options)) {
    const auto tallies = score_rows(model, *one.rows, one.metrics, {options.eval_batch, one.stop});
    for (size_t m = 0; m < tallies.size(); ++m) {
      Evaluation& score = scores.emplace_back();
      score.after_task = after_task;
      score.step = step;
      score.on_task = one.on_task;
      score.task = one.name;
      score.metric = one.metrics[m];
      score.correct = tallies[m].correct;
      score.total = tallies[m].total;
      score.sum = tallies[m].sum;
    }
  }
  return scores;
}

}  // namespace lethe
