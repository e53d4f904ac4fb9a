// The report as CSV (RFC 4180, lines end in CRLF).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/report.h"
#include "analysis/report_document.h"
#include "analysis/report_escape.h"
#include "analysis/report_findings.h"
#include "analysis/report_numbers.h"

namespace lethe {
namespace {

std::string record(const std::vector<std::string>& fields) {
  std::string text;
  for (size_t i = 0; i < fields.size(); ++i) text += (i == 0 ? "" : ",") + escape_csv(fields[i]);
  return text + "\r\n";
}

using Fields = std::vector<std::string>;

Fields metric_fields(const Comparison& comparison, const MethodRow& method, const MetricDoc& doc,
                     const MetricCell& cell) {
  const Summary& s = cell.over_seeds;
  const Summary difference = cell.minus_finetune.value_or(Summary{});
  const bool has_value = s.n > 0, has_difference = difference.n > 0;
  const std::string jobs = fmt::format("{}", fmt::join(method.jobs, " "));
  return {comparison.title,
          comparison.stream,
          comparison.model,
          comparison.build,
          comparison.device_class,
          method.label,
          doc.key,
          doc.unit,
          doc.higher_is_better ? "higher" : "lower",
          std::to_string(s.n),
          has_value ? exact(s.mean) : "",
          exact(s.sd),
          exact(s.half_width),
          std::to_string(difference.n),
          has_difference ? exact(difference.mean) : "",
          exact(difference.half_width),
          jobs};
}

// Seeds and values in one field each, parted by blanks.
Fields reference_fields(const ReferenceTable& table, const ReferenceCell& cell) {
  Fields seeds, values;
  for (const auto& [seed, value] : cell.measured) {
    seeds.push_back(std::to_string(seed));
    values.push_back(exact(value));
  }
  const auto& figure = cell.published;
  return {figure ? table.source : "",
          figure ? status_text(figure->status) : "",
          figure ? exact(figure->mean) : "",
          figure ? exact(figure->sem) : "",
          figure && figure->seeds ? std::to_string(*figure->seeds) : "",
          fmt::format("{}", fmt::join(seeds, " ")),
          fmt::format("{}", fmt::join(values, " ")),
          exact(cell.deviations),
          exact(cell.own_deviations),
          agreement_text(cell.agreement)};
}

const Fields kReferenceHead = {
    "source",         "status",          "published_mean",   "published_sem",        "published_n",
    "measured_seeds", "measured_values", "difference_in_sd", "difference_in_own_sd", "verdict"};

// The metric's record, or one for each figure that it was held against.
std::string metric_records(const Comparison& comparison, const Fields& fields, bool references) {
  if (!references) return record(fields);
  std::string text;
  const auto add = [&](const Fields& more) {
    Fields whole = fields;
    whole.insert(whole.end(), more.begin(), more.end());
    text += record(whole);
  };
  for (const ReferenceTable& table : comparison.references) {
    for (const ReferenceCell& cell : table.cells) {
      if (cell.method == fields[5] && table.metric == fields[6]) add(reference_fields(table, cell));
    }
  }
  if (text.empty()) add(Fields(kReferenceHead.size()));
  return text;
}

}  // namespace

std::string report_csv(const std::vector<Comparison>& comparisons,
                       const std::vector<MetricDoc>& docs) {
  Fields head = {
      "comparison", "stream",          "model", "build", "device", "method",     "metric",
      "unit",       "better",          "n",     "mean",  "sd",     "half_width", "diff_n",
      "diff_mean",  "diff_half_width", "jobs"};
  const bool references =
      std::any_of(comparisons.begin(), comparisons.end(),
                  [](const Comparison& comparison) { return !comparison.references.empty(); });
  if (references) head.insert(head.end(), kReferenceHead.begin(), kReferenceHead.end());
  std::string text = record(head);
  for (const Comparison& comparison : comparisons) {
    for (const MethodRow& method : comparison.methods) {
      for (const MetricDoc& doc : metrics_present(comparison, docs)) {
        const auto found = method.metrics.find(doc.key);
        if (found == method.metrics.end()) continue;
        text += metric_records(comparison, metric_fields(comparison, method, doc, found->second),
                               references);
      }
    }
  }
  return text;
}

}  // namespace lethe
