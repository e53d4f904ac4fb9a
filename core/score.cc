#include "core/score.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "core/loss.h"
#include "core/text/text_metrics.h"

namespace lethe {
namespace {

/// Where the model computes: its first weights may be offloaded ones, its last parameter is none.
at::Device device_of(Model& model) { return model.parameters().back().value.device(); }

using Indices = std::vector<int64_t>;

/// Calls `of` with the rows from long to short, `batch_size` at a time.
void each_batch(const Rows& rows, int64_t batch_size,
                const std::function<void(const Indices&)>& of) {
  const Indices order = by_length(rows);
  for (size_t at = 0; at < order.size(); at += static_cast<size_t>(batch_size)) {
    const size_t end = std::min(order.size(), at + static_cast<size_t>(batch_size));
    of({order.begin() + static_cast<int64_t>(at), order.begin() + static_cast<int64_t>(end)});
  }
}

void add_logits(const std::string& metric, const Tensor& logits, const Batch& batch, Tally& tally) {
  if (metric == "loss") {
    tally.sum += summed_loss(logits, batch);
    tally.total += batch.targets.numel();
    return;
  }
  const bool tokens = metric == "token_accuracy";
  tally.correct += tokens ? positions_right(logits, batch) : rows_right(logits, batch);
  tally.total += tokens ? batch.targets.numel() : batch.rows();
  tally.sum = static_cast<double>(tally.correct);
}

const TextSource& text_of(const Rows& rows, const std::string& metric) {
  const auto* text = dynamic_cast<const TextSource*>(&rows);
  if (text == nullptr) fail("{} needs rows of text; choose another metric", metric);
  return *text;
}

Tally by_generation(Model& model, const Rows& rows, const TextMetric& metric,
                    const Scoring& scoring) {
  const TextSource& text = text_of(rows, metric.info.name);
  Tally tally;
  each_batch(rows, scoring.batch_size, [&](const Indices& indices) {
    std::vector<Indices> prompts;
    for (const int64_t index : indices) prompts.push_back(text.prompt_ids(index));
    const auto made = model.generate(prompts, text.longest_response(), text.end_id());
    for (size_t i = 0; i < indices.size(); ++i) {
      const std::string answer = cut_at_stop(text.decode(made[i]), scoring.stop);
      tally.sum += metric.of(answer, text.expected(indices[i]));
      ++tally.total;
    }
  });
  if (metric.counts) tally.correct = static_cast<int64_t>(tally.sum);
  return tally;
}

/// log p of each row's predicted tokens (B), divided by their number where `normalised`.
Tensor row_likelihoods(Model& model, const Batch& batch, bool normalised) {
  const Tensor each =
      at::cross_entropy_loss(model.forward(batch), batch.targets, {}, at::Reduction::None);
  const auto options = each.options().dtype(at::kDouble);
  Tensor sums =
      at::zeros({batch.rows()}, options).index_add_(0, batch.row_of, -each.to(at::kDouble));
  if (!normalised) return sums;
  const Tensor ones = at::ones({each.size(0)}, options);
  return sums / at::zeros({batch.rows()}, options).index_add_(0, batch.row_of, ones);
}

Tally by_labels(Model& model, const Rows& rows, const Scoring& scoring) {
  const auto* source = dynamic_cast<const LabelSource*>(&rows);
  if (source == nullptr || source->labels() == 0) {
    fail("label_accuracy needs rows with labels; list them in the task, or choose another metric");
  }
  const at::Device device = device_of(model);
  Tally tally;
  each_batch(rows, scoring.batch_size, [&](const Indices& indices) {
    std::vector<Tensor> likelihoods;
    for (int64_t label = 0; label < source->labels(); ++label) {
      const Batch batch = source->label_batch(indices, label).to(device);
      likelihoods.push_back(row_likelihoods(model, batch, source->normalised()));
    }
    const Tensor best = at::stack(likelihoods, 1).argmax(1).cpu();
    for (size_t i = 0; i < indices.size(); ++i) {
      const int64_t chosen = best.data_ptr<int64_t>()[i];
      tally.correct += chosen == source->label_of(indices[i]) ? 1 : 0;
      ++tally.total;
    }
  });
  tally.sum = static_cast<double>(tally.correct);
  return tally;
}

}  // namespace

Indices by_length(const Rows& rows) {
  Indices order(static_cast<size_t>(rows.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return rows.length(a) > rows.length(b); });
  return order;
}

std::vector<Tally> score_rows(Model& model, const Rows& rows,
                              const std::vector<MetricInfo>& metrics, const Scoring& scoring) {
  const at::NoGradGuard no_grad;
  std::vector<Tally> tallies(metrics.size());
  std::vector<size_t> of_logits;
  for (size_t m = 0; m < metrics.size(); ++m) {
    const TextMetric* text = find_text_metric(metrics[m].name);
    if (text == nullptr || text->by == ScoredBy::logits) {
      of_logits.push_back(m);
    } else if (text->by == ScoredBy::generation) {
      tallies[m] = by_generation(model, rows, *text, scoring);
    } else {
      tallies[m] = by_labels(model, rows, scoring);
    }
  }
  if (of_logits.empty()) return tallies;
  const at::Device device = device_of(model);
  each_batch(rows, scoring.batch_size, [&](const Indices& indices) {
    const Batch batch = rows.batch(indices).to(device);
    const Tensor logits = model.forward(batch);
    for (const size_t m : of_logits) add_logits(metrics[m].name, logits, batch, tallies[m]);
  });
  return tallies;
}

}  // namespace lethe
