#include "analysis/report_tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/report_numbers.h"

namespace lethe {
namespace {

std::vector<MetricDoc> of_kind(const std::vector<MetricDoc>& docs, MetricKind kind) {
  std::vector<MetricDoc> chosen;
  for (const MetricDoc& doc : docs) {
    if (metric_kind(doc) == kind) chosen.push_back(doc);
  }
  return chosen;
}

// n is written beside a value only where it differs from the row's number of seeds.
std::string with_count(const std::string& text, int64_t n, int64_t seeds) {
  return n == seeds || n == 0 ? text : fmt::format("{} (n = {})", text, n);
}

TableCell value_cell(const MethodRow& method, const MetricDoc& doc) {
  const auto found = method.metrics.find(doc.key);
  if (found == method.metrics.end()) return {"-"};
  const Summary& summary = found->second.over_seeds;
  return {with_count(mean_and_interval(summary, doc.unit), summary.n, method.seeds)};
}

TableCell finetune_cell(const MethodRow& method, const MetricDoc& doc) {
  const auto found = method.metrics.find(doc.key);
  if (found == method.metrics.end() || !found->second.minus_finetune) return {"-"};
  return difference_cell(*found->second.minus_finetune, doc, method.seeds);
}

Table value_table(const Comparison& comparison, const std::vector<MetricDoc>& docs,
                  MetricKind kind) {
  Table table{.head = {"Method", "n"}, .labels = 2};
  const bool failures = std::any_of(comparison.methods.begin(), comparison.methods.end(),
                                    [](const MethodRow& m) { return m.failed > 0; });
  if (failures) {
    table.head.emplace_back("failed");
    ++table.labels;
  }
  if (kind == MetricKind::time) {
    table.head.emplace_back("Jobs");
    ++table.labels;
  }
  for (const MetricDoc& doc : docs) table.head.push_back(column_title(doc));
  for (const MethodRow& method : comparison.methods) {
    std::vector<TableCell> row = {{method.label}, {std::to_string(method.seeds)}};
    if (failures) row.push_back({std::to_string(method.failed)});
    if (kind == MetricKind::time) row.push_back({jobs_text(method)});
    for (const MetricDoc& doc : docs) row.push_back(value_cell(method, doc));
    table.rows.push_back(row);
  }
  return table;
}

// Methods without any difference (finetune itself, failed ones) are left out, and metrics in which
// no method differs from finetune.
Table difference_table(const Comparison& comparison, const std::vector<MetricDoc>& docs) {
  const auto has = [](const MethodRow& method, const MetricDoc& doc) {
    const auto found = method.metrics.find(doc.key);
    return found != method.metrics.end() && found->second.minus_finetune &&
           found->second.minus_finetune->n > 0;
  };
  const auto differs = [&](const MethodRow& method, const MetricDoc& doc) {
    if (!has(method, doc)) return false;
    const Summary& difference = *method.metrics.at(doc.key).minus_finetune;
    return difference.mean != 0 || difference.half_width.value_or(0) != 0;
  };
  std::vector<MetricDoc> columns;
  for (const MetricDoc& doc : docs) {
    if (std::any_of(comparison.methods.begin(), comparison.methods.end(),
                    [&](const MethodRow& method) { return differs(method, doc); })) {
      columns.push_back(doc);
    }
  }
  Table table{.head = {"Method"}};
  for (const MetricDoc& doc : columns) table.head.push_back(column_title(doc));
  for (const MethodRow& method : comparison.methods) {
    std::vector<TableCell> row = {{method.label}};
    for (const MetricDoc& doc : columns) row.push_back(finetune_cell(method, doc));
    const bool any = std::any_of(columns.begin(), columns.end(),
                                 [&](const MetricDoc& doc) { return has(method, doc); });
    if (any && method.label != "finetune") table.rows.push_back(row);
  }
  return table;
}

// "Forgets least: x, 1.00 ± 0.20 %; most: ...", nothing when fewer than two methods have the
// metric.
Blocks in_short(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  const auto doc = std::find_if(present.begin(), present.end(), [](const MetricDoc& d) {
    return d.key.rfind("forgetting", 0) == 0;
  });
  if (doc == present.end()) return {};
  const MethodRow *least = nullptr, *most = nullptr;
  const auto value = [&](const MethodRow* m) { return m->metrics.at(doc->key).over_seeds.mean; };
  for (const MethodRow& method : comparison.methods) {
    const auto found = method.metrics.find(doc->key);
    if (found == method.metrics.end() || found->second.over_seeds.n == 0) continue;
    if (least == nullptr || value(&method) < value(least)) least = &method;
    if (most == nullptr || value(&method) > value(most)) most = &method;
  }
  if (least == most) return {};
  const auto text = [&](const MethodRow* m) {
    return fmt::format("{}, {} {}", m->label,
                       mean_and_interval(m->metrics.at(doc->key).over_seeds, doc->unit),
                       shown_unit(doc->unit).name);
  };
  return {Paragraph{fmt::format("Forgets least: {}; most: {}.", text(least), text(most))}};
}

Blocks titled(const std::string& title, const Blocks& tables) {
  if (tables.empty()) return {};
  Blocks blocks = {Heading{3, title}};
  blocks.insert(blocks.end(), tables.begin(), tables.end());
  return blocks;
}

}  // namespace

std::string column_title(const MetricDoc& doc) {
  const std::string unit = shown_unit(doc.unit).name;
  return unit.empty() ? doc.title : fmt::format("{} ({})", doc.title, unit);
}

TableCell difference_cell(const Summary& difference, const MetricDoc& doc, int64_t seeds) {
  TableCell cell{with_count(difference_and_interval(difference, doc.unit), difference.n, seeds)};
  if (excludes_zero(difference)) {
    const bool higher = difference.mean > 0;
    cell.verdict = higher == doc.higher_is_better ? Verdict::better : Verdict::worse;
  }
  return cell;
}

MetricKind metric_kind(const MetricDoc& doc) {
  const std::string& unit = doc.unit;
  if (unit == "bytes" || unit == "count") return MetricKind::memory;
  if (unit == "seconds" || unit == "1/s") return MetricKind::time;
  if (doc.key.starts_with("base_")) return MetricKind::base;
  for (const char* start : {"forgetting_", "forward_", "retention", "stability_"}) {
    if (doc.key.starts_with(start)) return MetricKind::transfer;
  }
  return MetricKind::score;
}

std::string jobs_text(const MethodRow& method) {
  return method.jobs.empty() ? "-" : fmt::format("{}", fmt::join(method.jobs, ", "));
}

Blocks metric_tables(const Comparison& comparison, const std::vector<MetricDoc>& present,
                     MetricKind kind, const std::string& caption) {
  const std::vector<MetricDoc> docs = of_kind(present, kind);
  if (docs.empty()) return {};
  Table values = value_table(comparison, docs, kind);
  values.caption = caption;
  Blocks blocks = {values};
  Table differences = difference_table(comparison, docs);
  if (differences.rows.empty()) return blocks;
  differences.caption =
      "Difference to finetune, paired by seed. ▲ better, ▼ worse: the interval excludes 0. Metrics "
      "in which no method differs are left out.";
  blocks.emplace_back(differences);
  return blocks;
}

Blocks score_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  Blocks blocks = {Heading{3, "Scores"}};
  const Blocks lead = in_short(comparison, present);
  blocks.insert(blocks.end(), lead.begin(), lead.end());
  const Blocks tables =
      metric_tables(comparison, present, MetricKind::score,
                    "Mean over n seeds ± half width of the 95 % Student-t interval.");
  if (tables.empty()) {
    blocks.emplace_back(Paragraph{"No scores: no trial of this comparison has finished."});
  }
  blocks.insert(blocks.end(), tables.begin(), tables.end());
  return blocks;
}

Blocks transfer_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  return titled("Transfer and other readings of forgetting",
                metric_tables(comparison, present, MetricKind::transfer,
                              "Mean over n seeds ± half width of the 95 % interval."));
}

Blocks base_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  return titled("Base ability",
                metric_tables(comparison, present, MetricKind::base,
                              "What the model could do before it learned any of these tasks, on "
                              "held-out rows: mean over n seeds ± half width of the 95 % "
                              "interval."));
}

Blocks time_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  const int64_t threads = comparison.environment.threads;
  const Blocks tables = metric_tables(
      comparison, present, MetricKind::time,
      fmt::format(
          "Per trial, mean ± half width over seeds; {} thread{} a trial, and as many trials "
          "at a time as there were jobs. Times compare where the jobs are equal.",
          threads, threads == 1 ? "" : "s"));
  return titled("Time", tables);
}

}  // namespace lethe
