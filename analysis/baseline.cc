#include "analysis/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace lethe {
namespace {

bool matches(const std::string& stream, const std::optional<std::string>& model,
             const Comparison& comparison) {
  return comparison.stream == stream && (!model || comparison.model == *model);
}

std::string place(const Baseline& baseline, int64_t line) {
  return fmt::format("({}:{})", baseline.path, line);
}

void check_bound(const Baseline& baseline, const MetricBound& bound,
                 const std::vector<Comparison>& comparisons, std::vector<Violation>& violations) {
  bool found = false;
  for (const Comparison& comparison : comparisons) {
    if (!matches(bound.stream, bound.model, comparison)) continue;
    const MetricCell* cell = cell_of(comparison, bound.method, bound.metric);
    if (cell == nullptr) continue;
    found = true;
    const double value = cell->over_seeds.mean;
    const bool higher = doc_of(comparison, bound.metric).higher_is_better;
    const double limit = bound.value + (higher ? -bound.allowed_fall : bound.allowed_fall);
    const double slack = 1e-9 * std::fabs(bound.value);
    const bool kept = higher ? value >= limit - slack : value <= limit + slack;
    if (kept) continue;
    violations.push_back({fmt::format(
        "{} {} on {} (model {}) = {:.6g} {} {:.6g} = baseline {:.6g} {} {:.6g} {}", bound.method,
        bound.metric, bound.stream, comparison.model, value, higher ? "<" : ">", limit, bound.value,
        higher ? "- allowed fall" : "+ allowed rise", bound.allowed_fall,
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
  const RelationResult result = result_of(relation, comparison);
  const auto unmeasured = [&](const std::string& term, const std::optional<double>& value) {
    if (value) return false;
    violations.push_back(
        {fmt::format("{}: {} of {} on {} was not measured {}", relation.expression, relation.metric,
                     term, relation.stream, place(baseline, relation.line))});
    return true;
  };
  for (const RelationLink& link : result.links) {
    if (unmeasured(link.left, link.left_mean) || unmeasured(link.right, link.right_mean)) return;
  }
  for (const RelationLink& link : result.links) {
    if (link.holds) continue;
    violations.push_back({fmt::format(
        "{} {} {} does not hold for {} on {} (model {}): {:.6g} and {:.6g}, margin "
        "{:.6g} {}",
        link.left, link.op, link.right, relation.metric, relation.stream, comparison.model,
        *link.left_mean, *link.right_mean, relation.margin, place(baseline, relation.line))});
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

std::vector<std::string> add_relations(const Baseline& baseline,
                                       std::vector<Comparison>& comparisons) {
  std::vector<std::string> missing;
  for (const Relation& relation : baseline.relations) {
    bool found = false;
    for (Comparison& comparison : comparisons) {
      if (!matches(relation.stream, relation.model, comparison)) continue;
      comparison.relations.push_back(result_of(relation, comparison));
      found = true;
    }
    if (!found) {
      missing.push_back(fmt::format("{}: stream {} was not measured {}", relation.expression,
                                    relation.stream, place(baseline, relation.line)));
    }
  }
  return missing;
}

Baseline with_measured(const Baseline& baseline, const std::vector<Comparison>& comparisons) {
  Baseline updated = baseline;
  for (MetricBound& bound : updated.metrics) {
    std::optional<double> worst;
    for (const Comparison& comparison : comparisons) {
      if (!matches(bound.stream, bound.model, comparison)) continue;
      const MetricCell* cell = cell_of(comparison, bound.method, bound.metric);
      if (cell == nullptr || !std::isfinite(cell->over_seeds.mean)) continue;
      const bool higher = doc_of(comparison, bound.metric).higher_is_better;
      const double limit = lenient(cell->over_seeds.mean, higher);
      if (!worst || (higher ? limit < *worst : limit > *worst)) worst = limit;
    }
    if (worst) bound.value = *worst;
  }
  return updated;
}

}  // namespace lethe
