// The report as CSV (RFC 4180, lines end in CRLF).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/report.h"
#include "analysis/report_document.h"
#include "analysis/report_escape.h"
#include "analysis/report_numbers.h"

namespace lethe {
namespace {

std::string record(const std::vector<std::string>& fields) {
  std::string text;
  for (size_t i = 0; i < fields.size(); ++i) text += (i == 0 ? "" : ",") + escape_csv(fields[i]);
  return text + "\r\n";
}

std::string metric_record(const Comparison& comparison, const MethodRow& method,
                          const MetricDoc& doc, const MetricCell& cell) {
  const Summary& s = cell.over_seeds;
  const Summary difference = cell.minus_finetune.value_or(Summary{});
  const bool has_value = s.n > 0, has_difference = difference.n > 0;
  const std::string jobs = fmt::format("{}", fmt::join(method.jobs, " "));
  return record({comparison.title, comparison.stream, comparison.model, comparison.build,
                 comparison.device_class, method.label, doc.key, doc.unit,
                 doc.higher_is_better ? "higher" : "lower", std::to_string(s.n),
                 has_value ? exact(s.mean) : "", exact(s.sd), exact(s.half_width),
                 std::to_string(difference.n), has_difference ? exact(difference.mean) : "",
                 exact(difference.half_width), jobs});
}

}  // namespace

std::string report_csv(const std::vector<Comparison>& comparisons,
                       const std::vector<MetricDoc>& docs) {
  std::string text = record({"comparison", "stream", "model", "build", "device", "method", "metric",
                             "unit", "better", "n", "mean", "sd", "half_width", "diff_n",
                             "diff_mean", "diff_half_width", "jobs"});
  for (const Comparison& comparison : comparisons) {
    const std::vector<MetricDoc> present = metrics_present(comparison, docs);
    for (const MethodRow& method : comparison.methods) {
      for (const MetricDoc& doc : present) {
        const auto found = method.metrics.find(doc.key);
        if (found != method.metrics.end())
          text += metric_record(comparison, method, doc, found->second);
      }
    }
  }
  return text;
}

}  // namespace lethe
