#include "analysis/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "analysis/relation.h"

namespace lethe {
namespace {

bool matches(const std::string& stream, const std::optional<std::string>& model,
             const Comparison& comparison) {
  return comparison.stream == stream && (!model || comparison.model == *model);
}

// The comparison's own docs know that a stream is measured in a loss.
bool higher_is_better(const Comparison& comparison, const std::string& metric) {
  for (const MetricDoc& doc : comparison.docs) {
    if (doc.key == metric) return doc.higher_is_better;
  }
  const std::string general = metric.substr(0, metric.find(':'));
  for (const MetricDoc& doc : metric_docs()) {
    if (doc.key == general) return doc.higher_is_better;
  }
  return true;
}

std::optional<double> measured(const Comparison& comparison, const std::string& method,
                               const std::string& metric) {
  for (const MethodRow& row : comparison.methods) {
    if (row.label != method) continue;
    const auto cell = row.metrics.find(metric);
    if (cell == row.metrics.end() || cell->second.over_seeds.n == 0) return std::nullopt;
    return cell->second.over_seeds.mean;
  }
  return std::nullopt;
}

std::string place(const Baseline& baseline, int64_t line) {
  return fmt::format("({}:{})", baseline.path, line);
}

void check_bound(const Baseline& baseline, const MetricBound& bound,
                 const std::vector<Comparison>& comparisons, std::vector<Violation>& violations) {
  bool found = false;
  for (const Comparison& comparison : comparisons) {
    if (!matches(bound.stream, bound.model, comparison)) continue;
    const auto value = measured(comparison, bound.method, bound.metric);
    if (!value) continue;
    found = true;
    const bool higher = higher_is_better(comparison, bound.metric);
    const double limit = bound.value + (higher ? -bound.allowed_fall : bound.allowed_fall);
    const double slack = 1e-9 * std::fabs(bound.value);
    const bool kept = higher ? *value >= limit - slack : *value <= limit + slack;
    if (kept) continue;
    violations.push_back({fmt::format(
        "{} {} on {} (model {}) = {:.6g} {} {:.6g} = baseline {:.6g} {} {:.6g} {}", bound.method,
        bound.metric, bound.stream, comparison.model, *value, higher ? "<" : ">", limit,
        bound.value, higher ? "- allowed fall" : "+ allowed rise", bound.allowed_fall,
        place(baseline, bound.line))});
  }
  if (!found) {
    violations.push_back(
        {fmt::format("{} {} on {} was not measured; baseline {:.6g} {}", bound.method, bound.metric,
                     bound.stream, bound.value, place(baseline, bound.line))});
  }
}

void check_chain(const Baseline& baseline, const Relation& relation, const Comparison& comparison,
                 std::vector<Violation>& violations) {
  const Chain chain = parse_chain(relation.expression);
  std::vector<double> values;
  for (const std::string& term : chain.terms) {
    auto value = constant(term);
    if (!value) value = measured(comparison, term, relation.metric);
    if (!value) {
      violations.push_back(
          {fmt::format("{}: {} of {} on {} was not measured {}", relation.expression,
                       relation.metric, term, relation.stream, place(baseline, relation.line))});
      return;
    }
    values.push_back(*value);
  }
  for (size_t i = 0; i < chain.operators.size(); ++i) {
    if (holds(values[i], chain.operators[i], values[i + 1], relation.margin)) continue;
    violations.push_back(
        {fmt::format("{} {} {} does not hold for {} on {} (model {}): {:.6g} and {:.6g}, margin "
                     "{:.6g} {}",
                     chain.terms[i], chain.operators[i], chain.terms[i + 1], relation.metric,
                     relation.stream, comparison.model, values[i], values[i + 1], relation.margin,
                     place(baseline, relation.line))});
  }
}

// 4 significant digits, not stricter than the value but for rounding (0.74 stays 0.74, whatever its
// last bit). Read back from the text that the file will hold.
double lenient(double value, bool higher) {
  if (value == 0) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(std::fabs(value))) - 3);
  const double units = value / unit;
  const double rounding = 1e-9 * std::fabs(units);
  const double whole = higher ? std::floor(units + rounding) : std::ceil(units - rounding);
  return std::stod(fmt::format("{:.4g}", whole * unit));
}

}  // namespace

std::vector<Violation> check_baseline(const Baseline& baseline,
                                      const std::vector<Comparison>& comparisons) {
  std::vector<Violation> violations;
  for (const MetricBound& bound : baseline.metrics)
    check_bound(baseline, bound, comparisons, violations);
  for (const Relation& relation : baseline.relations) {
    bool found = false;
    for (const Comparison& comparison : comparisons) {
      if (!matches(relation.stream, relation.model, comparison)) continue;
      found = true;
      check_chain(baseline, relation, comparison, violations);
    }
    if (!found) {
      violations.push_back({fmt::format("{}: stream {} was not measured {}", relation.expression,
                                        relation.stream, place(baseline, relation.line))});
    }
  }
  return violations;
}

Baseline with_measured(const Baseline& baseline, const std::vector<Comparison>& comparisons) {
  Baseline updated = baseline;
  for (MetricBound& bound : updated.metrics) {
    std::optional<double> worst;
    for (const Comparison& comparison : comparisons) {
      if (!matches(bound.stream, bound.model, comparison)) continue;
      const auto value = measured(comparison, bound.method, bound.metric);
      if (!value || !std::isfinite(*value)) continue;
      const bool higher = higher_is_better(comparison, bound.metric);
      const double limit = lenient(*value, higher);
      if (!worst || (higher ? limit < *worst : limit > *worst)) worst = limit;
    }
    if (worst) bound.value = *worst;
  }
  return updated;
}

}  // namespace lethe
