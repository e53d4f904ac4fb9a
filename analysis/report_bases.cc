// What fewer bits in the base change: each method on another format beside itself on float.
#include <algorithm>

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

}  // namespace

Blocks format_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  const std::vector<MetricDoc> docs = compared_metrics(present);
  Table table{.caption = "Difference to the same method on the float base, within a seed.",
              .head = {"Method", "Base"},
              .labels = 2};
  for (const MetricDoc& doc : docs) table.head.push_back(column_title(doc));
  for (const MethodRow& method : comparison.methods) {
    const OnBase mine = on_base(method.label);
    if (mine.format == "float") continue;
    const bool has_plain =
        std::any_of(comparison.methods.begin(), comparison.methods.end(),
                    [&](const MethodRow& other) { return other.label == mine.method; });
    if (!has_plain) continue;
    std::vector<TableCell> row = {{mine.method}, {mine.format}};
    for (const MetricDoc& doc : docs) {
      const MetricCell* here = cell_of(comparison, method.label, doc.key);
      const MetricCell* plain = cell_of(comparison, mine.method, doc.key);
      const bool both = here != nullptr && plain != nullptr;
      const Summary difference =
          both ? paired_difference(here->by_seed, plain->by_seed) : Summary{};
      row.push_back(difference.n == 0 ? TableCell{"-"}
                                      : difference_cell(difference, doc, method.seeds));
    }
    table.rows.push_back(row);
  }
  if (table.rows.empty()) return {};
  return {Heading{3, "Formats of the base"}, table};
}

}  // namespace lethe
