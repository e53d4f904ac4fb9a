#include "analysis/report.h"

#include "core/error.h"

namespace lethe {

std::string report(const std::string& format, const std::vector<Comparison>& comparisons,
                   const std::vector<MetricDoc>& docs, const ReportText& words) {
  if (format == "md") return report_markdown(comparisons, docs, words);
  if (format == "html") return report_html(comparisons, docs, words);
  if (format == "csv") return report_csv(comparisons, docs);
  if (format == "json") return report_json(comparisons, docs);
  if (format == "tex") return report_latex(comparisons, docs, words);
  fail("unknown report format '{}'; known formats: md, html, csv, json, tex", format);
}

}  // namespace lethe
