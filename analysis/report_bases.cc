// What fewer bits in the base change: each method on another format beside itself on float.
#include <algorithm>

#include "analysis/report_numbers.h"
#include "analysis/report_tables.h"
#include "core/base_formats.h"

namespace lethe {
namespace {

/// A method's label and the format of its base, as core/trial.h names them.
struct OnBase {
  std::string method, format;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

OnBase on_base(const std::string& label) {
  for (const std::string& format : base_formats()) {
    const std::string ending = " on " + format;
    if (label.ends_with(ending)) return {label.substr(0, label.size() - ending.size()), format};
  }
  const bool nf4 = label.find("qlora") != std::string::npos;
  return {replaced(label, "qlora", "lora"), nf4 ? "nf4" : "float"};
}

std::vector<MetricDoc> compared_metrics(const std::vector<MetricDoc>& present) {
  std::vector<MetricDoc> docs;
  for (const MetricDoc& doc : present) {
    const MetricKind kind = metric_kind(doc);
    if (kind == MetricKind::score || kind == MetricKind::base) docs.push_back(doc);
  }
  return docs;
}

TableCell against_float(const MethodRow& method, const MethodRow& plain, const MetricDoc& doc) {
  const auto here = method.metrics.find(doc.key), there = plain.metrics.find(doc.key);
  if (here == method.metrics.end() || there == plain.metrics.end()) return {"-"};
  const Summary difference = paired_difference(here->second.by_seed, there->second.by_seed);
  if (difference.n == 0) return {"-"};
  TableCell cell{difference_and_interval(difference, doc.unit)};
  if (excludes_zero(difference)) {
    cell.verdict = (difference.mean > 0) == doc.higher_is_better ? Verdict::better : Verdict::worse;
  }
  return cell;
}

std::string titled(const MetricDoc& doc) {
  const std::string unit = shown_unit(doc.unit).name;
  return unit.empty() ? doc.title : doc.title + " (" + unit + ")";
}

}  // namespace

Blocks format_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  const std::vector<MetricDoc> docs = compared_metrics(present);
  Table table{.caption = "Difference to the same method on the float base, within a seed.",
              .head = {"Method", "Base"},
              .labels = 2};
  for (const MetricDoc& doc : docs) table.head.push_back(titled(doc));
  for (const MethodRow& method : comparison.methods) {
    const OnBase mine = on_base(method.label);
    if (mine.format == "float") continue;
    const auto plain =
        std::find_if(comparison.methods.begin(), comparison.methods.end(),
                     [&](const MethodRow& other) { return other.label == mine.method; });
    if (plain == comparison.methods.end()) continue;
    std::vector<TableCell> row = {{mine.method}, {mine.format}};
    for (const MetricDoc& doc : docs) row.push_back(against_float(method, *plain, doc));
    table.rows.push_back(row);
  }
  if (table.rows.empty()) return {};
  return {Heading{3, "Formats of the base"}, table};
}

}  // namespace lethe
