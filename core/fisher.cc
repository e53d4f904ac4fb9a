#include "core/fisher.h"

#include <cmath>

#include "core/error.h"
#include "core/importance.h"
#include "core/loss.h"
#include "core/update.h"

namespace lethe {
namespace {

constexpr int64_t kMostClasses = 100;

/// The labels (P) by which a position's likelihood is differentiated.
Tensor drawn_labels(const std::string& labels, const Tensor& probabilities, const Batch& batch,
                    const at::Generator& generator) {
  if (labels == "sampled") {  // drawn on the CPU, where every device gets the same numbers
    const Tensor drawn = probabilities.cpu().multinomial(1, true, generator).squeeze(1);
    return drawn.to(probabilities.device());
  }
  if (labels == "predicted") return probabilities.argmax(1);
  return batch.targets;
}

/// d/dz of -log p(label): p - onehot(label), zero at masked classes.
Tensor cotangent_of(const Tensor& probabilities, const Tensor& labels) {
  Tensor cotangent = probabilities.clone();
  cotangent.scatter_add_(1, labels.unsqueeze(1),
                         at::full({labels.size(0), 1}, -1.0, probabilities.options()));
  return cotangent;
}

/// The sum of squares divided by `count` rows or batches, or one less.
Tensor divided(const Tensor& total, int64_t count, const FisherOptions& options) {
  const int64_t divisor = options.divisor == "n-1" ? count - 1 : count;
  if (divisor < 1) {
    fail("divisor = n-1 needs at least 2 rows or batches, here is {}; use divisor = n", count);
  }
  return total.div(static_cast<double>(divisor));
}

Tensor batched(const TaskEnd& end, const std::vector<int64_t>& rows, const FisherOptions& options) {
  Tensor total = end.arena.zeros();
  Tensor gradient = at::zeros_like(total);  // the gaps of the arena stay 0
  int64_t batches = 0;
  each_batch(end, rows, options.batch, [&](const Batch& batch) {
    gradient_of(end.model, end.arena, batch, gradient);
    total.addcmul_(gradient, gradient);
    ++batches;
  });
  return divided(total, batches, options);
}

/// Squared gradients of one row, one backward pass a label, weighted by the label's probability
/// where that is wanted.
void add_row(const TaskEnd& end, const Batch& row, const std::string& labels, const Tensor& total) {
  const Tensor logits = masked_logits(end.model.forward(row), row);
  const Tensor logs = at::log_softmax(logits, 1);
  const Tensor probabilities = logs.detach().exp();
  std::vector<Tensor> parameters;
  for (const ArenaRange& range : end.arena.ranges()) parameters.push_back(range.parameter);
  const auto add = [&](const Tensor& label, bool weighted) {
    const Tensor loss = -logs.gather(1, label.unsqueeze(1)).sum();
    const double weight = weighted ? std::exp(-loss.item<double>()) : 1;
    const auto gradients = torch::autograd::grad({loss}, parameters, {}, true, false, true);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      end.arena.slice(total, end.arena.ranges()[i]).addcmul_(gradients[i], gradients[i], weight);
    }
  };
  if (labels != "exact") {
    add(drawn_labels(labels, probabilities, row, end.generator), labels == "weighted");
    return;
  }
  for (int64_t k = 0; k < probabilities.size(1); ++k) {
    const Tensor label = at::full({1}, k, row.targets.options());
    if (probabilities[0][k].item<double>() > 0) add(label, true);
  }
}

}  // namespace

std::string fisher_labels(const std::string& labels, const TaskStream& stream) {
  const bool few = stream.classes > 0 && stream.classes <= kMostClasses;
  if (labels == "auto") return few ? "exact" : "sampled";
  if (labels == "exact" && !few) {
    fail(
        "labels = exact takes one backward pass a class and is for at most {} classes, but stream "
        "'{}' has {}; use labels = sampled",
        kMostClasses, stream.name,
        stream.classes > 0 ? std::to_string(stream.classes) : "a whole vocabulary");
  }
  return labels;
}

void check_fisher(const std::string& owner, const FisherOptions& options,
                  const TaskStream& stream) {
  try {
    fisher_labels(options.labels, stream);
  } catch (const Error& error) {
    fail("{}: {}", owner, error.what());
  }
  check_importance_rows(owner, options.rows, stream);
  if (options.divisor != "n-1") return;
  for (size_t t = 0; t + 1 < stream.tasks.size(); ++t) {
    const int64_t all = stream.tasks[t].train->size();
    const int64_t rows = options.rows > 0 ? options.rows : all;
    const bool batched = options.labels == "batched";
    const int64_t count = batched ? (rows + options.batch - 1) / options.batch : rows;
    if (count > 1) continue;
    fail("{}: divisor = n-1 needs at least 2 {}, but task {} ('{}') gives {}; use divisor = n",
         owner, batched ? "batches" : "rows", t + 1, stream.tasks[t].name, count);
  }
}

void each_cotangent(const Tensor& logits, const Batch& batch, const std::string& labels,
                    const at::Generator& generator, const std::function<void(const Tensor&)>& take,
                    SampleUnit unit) {
  const Tensor probabilities = masked_logits(logits.detach(), batch).softmax(1);
  if (labels != "exact") {
    const Tensor drawn = drawn_labels(labels, probabilities, batch, generator);
    const Tensor cotangent = cotangent_of(probabilities, drawn);
    if (labels != "weighted") return take(cotangent);
    Tensor logs = probabilities.gather(1, drawn.unsqueeze(1)).log();
    if (batch.row_of.defined() && unit == SampleUnit::row) {  // a response's is the product
      const Tensor rows = at::zeros({batch.rows(), 1}, logs.options());
      logs = rows.index_add_(0, batch.row_of, logs).index_select(0, batch.row_of);
    }
    return take(cotangent * (logs / 2).exp());
  }
  for (int64_t k = 0; k < probabilities.size(1); ++k) {
    const Tensor weight = probabilities.select(1, k).sqrt().unsqueeze(1);
    if (weight.sum().item<double>() == 0) continue;  // a class that no row may take
    const Tensor label = at::full({probabilities.size(0)}, k, batch.targets.options());
    take(cotangent_of(probabilities, label) * weight);
  }
}

Tensor fisher_by_rows(const TaskEnd& end, const FisherOptions& options) {
  const std::string labels = fisher_labels(options.labels, end.stream);
  const std::vector<int64_t> rows = importance_rows(end, options.rows);
  const Evaluating evaluating(end.model);
  if (labels == "batched") return batched(end, rows, options);
  Tensor total = end.arena.zeros();
  each_batch(end, rows, 1, [&](const Batch& row) { add_row(end, row, labels, total); });
  return divided(total, static_cast<int64_t>(rows.size()), options);
}

Tensor fisher_diagonal(const TaskEnd& end, const FisherOptions& options) {
  const std::string labels = fisher_labels(options.labels, end.stream);
  const bool tokens = options.per == "token" && end.stream.classes == 0;
  const Evaluating evaluating(end.model);
  if (labels == "batched" || (!tokens && !rows_need_no_loop(end))) {
    return fisher_by_rows(end, options);
  }
  const std::vector<int64_t> rows = importance_rows(end, options.rows);
  const SampleUnit unit = tokens ? SampleUnit::position : SampleUnit::row;
  Tensor total = end.arena.zeros();
  int64_t samples = 0;
  each_batch(end, rows, rows_at_once(end), [&](const Batch& batch) {
    RowGradients gradients(end.model, end.arena, batch, RowMeasure::square, unit);
    each_cotangent(
        gradients.logits(), batch, labels, end.generator,
        [&](const Tensor& cotangent) { gradients.add(cotangent, total); }, unit);
    gradients.finish(total);
    samples += tokens ? batch.targets.numel() : batch.rows();
  });
  return divided(total, samples, options);
}

}  // namespace lethe
