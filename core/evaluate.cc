#include <algorithm>
#include <numeric>

#include "core/loss.h"
#include "core/memory.h"
#include "core/train.h"

namespace lethe {
namespace {

/// Rows from long to short, so that batches hold little padding and the largest comes first.
std::vector<int64_t> by_length(const Rows& rows) {
  std::vector<int64_t> order(static_cast<size_t>(rows.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return rows.length(a) > rows.length(b); });
  return order;
}

void score_rows(Model& model, const Rows& rows, int64_t batch_size, Evaluation& score) {
  const bool loss = score.metric.name == "loss";
  const at::Device device = model.parameters().at(0).value.device();
  const std::vector<int64_t> order = by_length(rows);
  for (size_t at = 0; at < order.size(); at += static_cast<size_t>(batch_size)) {
    const size_t end = std::min(order.size(), at + static_cast<size_t>(batch_size));
    const Batch batch = rows.batch({order.begin() + static_cast<int64_t>(at),
                                    order.begin() + static_cast<int64_t>(end)})
                            .to(device);
    const Tensor logits = model.forward(batch);
    if (loss) {
      score.sum += summed_loss(logits, batch);
      score.total += batch.targets.numel();
    } else {
      score.correct += rows_right(logits, batch);
      score.total += batch.rows();
    }
  }
  if (!loss) score.sum = static_cast<double>(score.correct);
}

}  // namespace

const Rows& scored_rows(const Task& task, const TrainOptions& options) {
  return options.evaluate == "validation" ? *task.validation : *task.test;
}

std::vector<Evaluation> evaluate(Model& model, const TaskStream& stream, int64_t after_task,
                                 int64_t step, const TrainOptions& options) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::activations);
  const Evaluating evaluating(model);
  std::vector<Evaluation> scores;
  const auto measure = [&](int64_t on_task, const std::string& name, const MetricInfo& metric,
                           const Rows& rows) {
    Evaluation score;
    score.after_task = after_task;
    score.step = step;
    score.on_task = on_task;
    score.task = name;
    score.metric = metric;
    score_rows(model, rows, options.eval_batch, score);
    scores.push_back(std::move(score));
  };
  for (size_t t = 0; t < stream.tasks.size(); ++t) {
    const Task& task = stream.tasks[t];
    measure(static_cast<int64_t>(t) + 1, task.name, task.metric, scored_rows(task, options));
  }
  for (const Probe& probe : stream.probes) measure(0, probe.name, probe.metric, *probe.rows);
  return scores;
}

}  // namespace lethe
