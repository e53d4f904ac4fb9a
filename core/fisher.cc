#include "core/fisher.h"

#include <numeric>

#include "core/error.h"
#include "core/loss.h"
#include "core/random.h"
#include "core/update.h"

namespace lethe {
namespace {

constexpr int64_t kMostClasses = 100;

/// The rows to look at, in ascending order.
std::vector<int64_t> chosen_rows(const TaskEnd& end, const FisherOptions& options) {
  if (options.rows > end.rows.size()) {
    fail(
        "{} rows are asked of the importances, but task {} has {}; ask for at most that, or 0 for "
        "all",
        options.rows, end.task, end.rows.size());
  }
  std::vector<int64_t> rows(static_cast<size_t>(end.rows.size()));
  std::iota(rows.begin(), rows.end(), 0);
  if (options.rows == 0) return rows;
  Random random(at::Generator(end.generator).seed());
  random.shuffle(rows);
  rows.resize(static_cast<size_t>(options.rows));
  return rows;
}

Batch on_device(const TaskEnd& end, const std::vector<int64_t>& rows) {
  return end.rows.batch(rows).to(end.arena.values().device());
}

/// A batch of the rows from `at` on.
Batch batch_from(const TaskEnd& end, const std::vector<int64_t>& rows, size_t at) {
  const size_t last = std::min(rows.size(), at + static_cast<size_t>(end.batch_size));
  return on_device(
      end, {rows.begin() + static_cast<int64_t>(at), rows.begin() + static_cast<int64_t>(last)});
}

std::string labels_for(const TaskEnd& end, const FisherOptions& options) {
  const bool text = end.stream.classes == 0;
  if (options.labels == "auto") {
    return text || end.stream.classes > kMostClasses ? "sampled" : "exact";
  }
  if (options.labels == "exact" && (text || end.stream.classes > kMostClasses)) {
    fail(
        "labels = exact takes one backward pass a class: it is for classifiers of at most {} "
        "classes; "
        "use labels = sampled here",
        kMostClasses);
  }
  return options.labels;
}

/// The labels (P) by which a position's likelihood is differentiated.
Tensor drawn_labels(const std::string& labels, const Tensor& probabilities, const Batch& batch,
                    at::Generator generator) {
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

/// Adds sum over rows of the squared gradient, from each seam's squared output gradients (B, out).
void add_outer_squares(const TaskEnd& end, const Capture& capture,
                       const std::vector<Tensor>& squares, const Tensor& total) {
  for (size_t s = 0; s < squares.size(); ++s) {
    Linear* seam = capture.sites()[s].seam;
    const Tensor input = capture.sites()[s].input;
    seam->parameters([&](const std::string&, Tensor& value) {
      for (const ArenaRange& range : end.arena.ranges()) {
        if (!range.parameter.is_same(value)) continue;
        const Tensor target = end.arena.slice(total, range);
        if (value.dim() == 2) {
          target.addmm_(squares[s].t(), input.square());
        } else {
          target.add_(squares[s].sum(0));
        }
      }
    });
  }
}

/// Squared output gradients of each seam (B, out), summed over classes for exact labels.
std::vector<Tensor> squared_gradients(const Capture& capture, const std::string& labels,
                                      const Batch& batch, const at::Generator& generator) {
  const Tensor probabilities = masked_logits(capture.logits().detach(), batch).softmax(1);
  std::vector<Tensor> squares;
  const auto add = [&](const Tensor& cotangent) {
    const auto gradients = capture.output_gradients(cotangent);
    for (size_t s = 0; s < gradients.size(); ++s) {
      if (s == squares.size()) squares.push_back(at::zeros_like(gradients[s]));
      squares[s].addcmul_(gradients[s], gradients[s]);
    }
  };
  if (labels != "exact") {
    add(cotangent_of(probabilities, drawn_labels(labels, probabilities, batch, generator)));
    return squares;
  }
  for (int64_t k = 0; k < probabilities.size(1); ++k) {
    const Tensor weight = probabilities.select(1, k).sqrt().unsqueeze(1);
    if (weight.sum().item<double>() == 0) continue;  // a class that no row may take
    add(cotangent_of(probabilities, at::full({batch.rows()}, k, batch.targets.options())) * weight);
  }
  return squares;
}

/// Evaluation mode while it lives.
class Evaluating {
 public:
  explicit Evaluating(Model& model) : model_(model), training_(model.training()) {
    model.train(false);
  }
  ~Evaluating() { model_.train(training_); }

 private:
  Model& model_;
  bool training_;
};

Tensor batched(const TaskEnd& end, const std::vector<int64_t>& rows) {
  Tensor total = at::zeros_like(end.arena.values());
  Tensor gradient = at::empty_like(total);
  int64_t batches = 0;
  for (size_t at = 0; at < rows.size(); at += static_cast<size_t>(end.batch_size), ++batches) {
    const Batch batch = batch_from(end, rows, at);
    gradient_of(end.model, end.arena, batch, gradient);
    total.addcmul_(gradient, gradient);
  }
  return total.div_(static_cast<double>(batches));
}

/// Squared gradients of one row, one backward pass a label, weighted by the label's probability.
void add_row(const TaskEnd& end, const Batch& row, const std::string& labels, const Tensor& total) {
  const Tensor logits = masked_logits(end.model.forward(row), row);
  const Tensor logs = at::log_softmax(logits, 1);
  const Tensor probabilities = logs.detach().exp();
  std::vector<Tensor> parameters;
  for (const ArenaRange& range : end.arena.ranges()) parameters.push_back(range.parameter);
  const auto add = [&](const Tensor& label, double weight) {
    const Tensor loss = -logs.gather(1, label.unsqueeze(1)).sum();
    const auto gradients = torch::autograd::grad({loss}, parameters, {}, true, false, true);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      end.arena.slice(total, end.arena.ranges()[i]).addcmul_(gradients[i], gradients[i], weight);
    }
  };
  if (labels != "exact") {
    add(drawn_labels(labels, probabilities, row, end.generator), 1);
    return;
  }
  for (int64_t k = 0; k < probabilities.size(1); ++k) {
    const double weight = probabilities[0][k].item<double>();
    if (weight > 0) add(at::full({1}, k, row.targets.options()), weight);
  }
}

}  // namespace

Tensor fisher_by_rows(const TaskEnd& end, const FisherOptions& options) {
  const std::string labels = labels_for(end, options);
  const std::vector<int64_t> rows = chosen_rows(end, options);
  const Evaluating evaluating(end.model);
  if (labels == "batched") return batched(end, rows);
  Tensor total = at::zeros_like(end.arena.values());
  for (const int64_t row : rows) {
    add_row(end, on_device(end, {row}), labels, total);
  }
  return total.div_(static_cast<double>(rows.size()));
}

Tensor fisher_diagonal(const TaskEnd& end, const FisherOptions& options) {
  const std::string labels = labels_for(end, options);
  if (labels == "batched" || !one_vector_per_row(end.model, end.arena, on_device(end, {0}))) {
    return fisher_by_rows(end, options);
  }
  const Evaluating evaluating(end.model);
  const std::vector<int64_t> rows = chosen_rows(end, options);
  Tensor total = at::zeros_like(end.arena.values());
  for (size_t at = 0; at < rows.size(); at += static_cast<size_t>(end.batch_size)) {
    const Batch batch = batch_from(end, rows, at);
    const Capture capture(end.model, batch);
    const at::NoGradGuard no_grad;
    add_outer_squares(end, capture, squared_gradients(capture, labels, batch, end.generator),
                      total);
  }
  return total.div_(static_cast<double>(rows.size()));
}

}  // namespace lethe
