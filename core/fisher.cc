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

/// Squared output gradients of each seam (B, out), summed over classes for exact labels, so that
/// one outer product a seam serves all classes.
std::vector<Tensor> squared_gradients(const Capture& capture, const std::string& labels,
                                      const Batch& batch, const at::Generator& generator) {
  std::vector<Tensor> squares;
  each_cotangent(capture.logits(), batch, labels, generator, [&](const Tensor& cotangent) {
    const auto gradients = capture.output_gradients(cotangent);
    for (size_t s = 0; s < gradients.size(); ++s) {
      if (s == squares.size()) squares.push_back(at::zeros_like(gradients[s]));
      squares[s].addcmul_(gradients[s], gradients[s]);
    }
  });
  return squares;
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
  Tensor total = at::zeros_like(end.arena.values());
  Tensor gradient = at::zeros_like(total);  // the gaps of the arena stay 0
  int64_t batches = 0;
  each_batch(end, rows, end.batch_size, [&](const Batch& batch) {
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

std::string fisher_labels(const TaskEnd& end, const std::string& labels) {
  const bool text = end.stream.classes == 0;
  if (labels == "auto") return text || end.stream.classes > kMostClasses ? "sampled" : "exact";
  if (labels == "exact" && (text || end.stream.classes > kMostClasses)) {
    fail(
        "labels = exact takes one backward pass a class: it is for classifiers of at most {} "
        "classes; "
        "use labels = sampled here",
        kMostClasses);
  }
  return labels;
}

void each_cotangent(const Tensor& logits, const Batch& batch, const std::string& labels,
                    const at::Generator& generator,
                    const std::function<void(const Tensor&)>& take) {
  const Tensor probabilities = masked_logits(logits.detach(), batch).softmax(1);
  if (labels != "exact") {
    const Tensor drawn = drawn_labels(labels, probabilities, batch, generator);
    const Tensor cotangent = cotangent_of(probabilities, drawn);
    const bool weighted = labels == "weighted";
    return take(weighted ? cotangent * probabilities.gather(1, drawn.unsqueeze(1)).sqrt()
                         : cotangent);
  }
  for (int64_t k = 0; k < probabilities.size(1); ++k) {
    const Tensor weight = probabilities.select(1, k).sqrt().unsqueeze(1);
    if (weight.sum().item<double>() == 0) continue;  // a class that no row may take
    const Tensor label = at::full({probabilities.size(0)}, k, batch.targets.options());
    take(cotangent_of(probabilities, label) * weight);
  }
}

Tensor fisher_by_rows(const TaskEnd& end, const FisherOptions& options) {
  const std::string labels = fisher_labels(end, options.labels);
  const std::vector<int64_t> rows = importance_rows(end, options.rows);
  const Evaluating evaluating(end.model);
  if (labels == "batched") return batched(end, rows, options);
  Tensor total = at::zeros_like(end.arena.values());
  each_batch(end, rows, 1, [&](const Batch& row) { add_row(end, row, labels, total); });
  return divided(total, static_cast<int64_t>(rows.size()), options);
}

Tensor fisher_diagonal(const TaskEnd& end, const FisherOptions& options) {
  const std::string labels = fisher_labels(end, options.labels);
  const Evaluating evaluating(end.model);
  if (labels == "batched" || !rows_need_no_loop(end)) return fisher_by_rows(end, options);
  const std::vector<int64_t> rows = importance_rows(end, options.rows);
  Tensor total = at::zeros_like(end.arena.values());
  each_batch(end, rows, end.batch_size, [&](const Batch& batch) {
    const Capture capture(end.model, batch);
    const at::NoGradGuard no_grad;
    const auto squares = squared_gradients(capture, labels, batch, end.generator);
    for (size_t s = 0; s < squares.size(); ++s) {
      const Capture::Site& site = capture.sites()[s];
      add_outer(end.arena, *site.seam, squares[s], site.input.square(), total);
    }
  });
  return divided(total, static_cast<int64_t>(rows.size()), options);
}

}  // namespace lethe
