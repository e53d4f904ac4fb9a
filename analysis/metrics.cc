#include "analysis/metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace lethe {
namespace {

// A mean that is undefined without terms and with a missing one.
class MeanOf {
 public:
  void add(Cell term) {
    missing_ = missing_ || !term;
    sum_ += term.value_or(0);
    ++terms_;
  }
  Cell value() const {
    if (missing_ || terms_ == 0) return std::nullopt;
    return sum_ / static_cast<double>(terms_);
  }

 private:
  double sum_ = 0;
  int64_t terms_ = 0;
  bool missing_ = false;
};

// How much better `now` is than `then`.
Cell gain(const MetricInfo& metric, Cell now, Cell then) {
  if (!now || !then) return std::nullopt;
  return metric.higher_is_better ? *now - *then : *then - *now;
}

double best(const MetricInfo& metric, double a, double b) {
  return metric.higher_is_better ? std::max(a, b) : std::min(a, b);
}

double worst(const MetricInfo& metric, double a, double b) {
  return metric.higher_is_better ? std::min(a, b) : std::max(a, b);
}

using Choice = double (*)(const MetricInfo&, double, double);

// The best or worst cell of a column over rows first..last; missing when one is missing or none is
// there.
Cell chosen(const RMatrix& r, int64_t column, int64_t first, int64_t last, Choice choice) {
  Cell result;
  for (int64_t row = first; row <= last; ++row) {
    const Cell cell = r.at(row, column);
    if (!cell) return std::nullopt;
    result = result ? choice(r.metric, *result, *cell) : *cell;
  }
  return result;
}

Cell own(const RMatrix& r, int64_t column) { return r.at(r.learned[column], column); }

// Mean of gain over baseline(column) at the stage before a column's own, for columns learned
// after 1.
Cell forward_transfer(const RMatrix& r, int64_t baseline_row) {
  MeanOf transfer;
  for (int64_t column = 0; column < r.columns(); ++column) {
    const int64_t learned = r.learned[column];
    if (learned < 2) continue;
    transfer.add(gain(r.metric, r.at(learned - 1, column), r.at(baseline_row, column)));
  }
  return transfer.value();
}

}  // namespace

std::optional<double> average_after(const RMatrix& r, int64_t k) {
  MeanOf average;
  for (int64_t column = 0; column < r.columns(); ++column) {
    if (r.learned[column] <= k) average.add(r.at(k, column));
  }
  return average.value();
}

std::optional<double> final_average(const RMatrix& r) { return average_after(r, r.stages()); }

std::optional<double> average_incremental(const RMatrix& r) {
  MeanOf average;
  for (int64_t k = r.learned.empty() ? 1 : r.learned.front(); k <= r.stages(); ++k) {
    average.add(average_after(r, k));
  }
  return average.value();
}

std::optional<double> learning_accuracy(const RMatrix& r) {
  MeanOf average;
  for (int64_t column = 0; column < r.columns(); ++column) average.add(own(r, column));
  return average.value();
}

std::optional<double> backward_transfer(const RMatrix& r) {
  MeanOf transfer;
  for (int64_t column = 0; column < r.columns(); ++column) {
    if (r.learned[column] >= r.stages()) continue;
    transfer.add(gain(r.metric, r.at(r.stages(), column), own(r, column)));
  }
  return transfer.value();
}

std::optional<double> forgetting_after(const RMatrix& r, int64_t k, ForgettingFrom from) {
  MeanOf lost;
  for (int64_t column = 0; column < r.columns(); ++column) {
    if (r.learned[column] >= k) continue;
    const int64_t first = from == ForgettingFrom::before_training ? 0
                          : from == ForgettingFrom::first_task    ? 1
                                                                  : r.learned[column];
    lost.add(gain(r.metric, chosen(r, column, first, k - 1, best), r.at(k, column)));
  }
  return lost.value();
}

std::optional<double> forgetting(const RMatrix& r, ForgettingFrom from) {
  return forgetting_after(r, r.stages(), from);
}

std::optional<double> fwt_random(const RMatrix& r) { return forward_transfer(r, -1); }

std::optional<double> fwt_zero_shot(const RMatrix& r) { return forward_transfer(r, 0); }

std::optional<double> retention(const RMatrix& r) {
  MeanOf kept;
  for (int64_t column = 0; column < r.columns(); ++column) {
    if (r.learned[column] >= r.stages()) continue;
    Cell numerator = r.at(r.stages(), column);
    Cell denominator = own(r, column);
    if (!r.metric.higher_is_better) std::swap(numerator, denominator);
    if (!numerator || !denominator || *denominator == 0) return std::nullopt;
    kept.add(*numerator / *denominator);
  }
  return kept.value();
}

std::optional<double> worst_after_learning(const RMatrix& r, int64_t k) {
  MeanOf average;
  for (int64_t column = 0; column < r.columns(); ++column) {
    if (r.learned[column] < k) average.add(chosen(r, column, r.learned[column] + 1, k, worst));
  }
  return average.value();
}

std::optional<double> worst_case_accuracy(const RMatrix& r, int64_t k) {
  const auto at_k = std::find(r.learned.begin(), r.learned.end(), k);
  if (at_k == r.learned.end()) return std::nullopt;
  const int64_t column = at_k - r.learned.begin();
  const Cell own_score = r.at(k, column);
  if (column == 0 || !own_score) return own_score;
  const Cell lowest = worst_after_learning(r, k);
  if (!lowest) return std::nullopt;
  const double share = 1.0 / static_cast<double>(column + 1);
  return share * *own_score + (1 - share) * *lowest;
}

std::optional<double> intransigence(const RMatrix& r, const Cells& reference) {
  if (static_cast<int64_t>(reference.size()) != r.columns()) return std::nullopt;
  MeanOf behind;
  for (int64_t column = 0; column < r.columns(); ++column) {
    behind.add(gain(r.metric, reference[column], own(r, column)));
  }
  return behind.value();
}

std::optional<double> diaz_accuracy(const RMatrix& r) {
  MeanOf average;
  for (int64_t column = 0; column < r.columns(); ++column) {
    for (int64_t row = r.learned[column]; row <= r.stages(); ++row) average.add(r.at(row, column));
  }
  return average.value();
}

std::optional<double> diaz_backward_transfer(const RMatrix& r) {
  MeanOf transfer;
  for (int64_t column = 0; column < r.columns(); ++column) {
    for (int64_t row = r.learned[column] + 1; row <= r.stages(); ++row) {
      transfer.add(gain(r.metric, r.at(row, column), own(r, column)));
    }
  }
  return transfer.value();
}

std::optional<double> diaz_remembering(const RMatrix& r) {
  const Cell transfer = diaz_backward_transfer(r);
  if (!transfer) return std::nullopt;
  return 1 - std::abs(std::min(*transfer, 0.0));
}

std::optional<double> diaz_positive_backward_transfer(const RMatrix& r) {
  const Cell transfer = diaz_backward_transfer(r);
  if (!transfer) return std::nullopt;
  return std::max(*transfer, 0.0);
}

std::optional<double> diaz_forward_transfer(const RMatrix& r) {
  MeanOf average;
  for (int64_t column = 0; column < r.columns(); ++column) {
    for (int64_t row = 1; row < r.learned[column]; ++row) average.add(r.at(row, column));
  }
  return average.value();
}

std::optional<double> stability_gap(const TrialResult& result, const std::string& metric) {
  const RMatrix r = rmatrix_of(result, metric);
  std::map<std::pair<int64_t, int64_t>, double> lowest;  // by stage and task
  for (const auto& evaluation : result.evaluations) {
    if (!evaluation.within_task || evaluation.metric.name != metric) continue;
    if (evaluation.total <= 0 || !std::isfinite(evaluation.score())) return std::nullopt;
    const std::pair place(evaluation.after_task, evaluation.on_task);
    const auto [entry, is_new] = lowest.emplace(place, evaluation.score());
    if (!is_new) entry->second = worst(r.metric, entry->second, evaluation.score());
  }
  MeanOf depth;
  for (int64_t column = 0; column < r.columns(); ++column) {
    for (int64_t k = r.learned[column] + 1; k <= r.stages(); ++k) {
      const Cell edge = chosen(r, column, k - 1, k, worst);
      const auto inside = lowest.find({k, r.learned[column]});
      if (!edge || inside == lowest.end()) return std::nullopt;
      depth.add(std::max(0.0, *gain(r.metric, edge, inside->second)));
    }
  }
  return depth.value();
}

std::optional<double> base_ability_change(const std::vector<ProbeScores>& probes) {
  MeanOf lost;
  for (const auto& probe : probes) lost.add(gain(probe.metric, probe.before, probe.after));
  return lost.value();
}

std::optional<double> final_perplexity(const RMatrix& r) {
  const Cell loss = r.metric.unit == "nats" ? final_average(r) : std::nullopt;
  return loss ? Cell(std::exp(*loss)) : std::nullopt;
}

std::optional<double> base_perplexity_ratio(const std::vector<ProbeScores>& probes) {
  if (probes.empty() || probes[0].metric.unit != "nats") return std::nullopt;
  const Cell rise = base_ability_change(probes);
  return rise ? Cell(std::exp(*rise)) : std::nullopt;
}

}  // namespace lethe
