// The report as JSON: the comparisons as they are, null for what was not measured.
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/report.h"
#include "analysis/report_document.h"
#include "analysis/report_findings.h"

namespace lethe {
namespace {

// Ordered, so that a reader finds titles before numbers.
using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json();
}

Json summary_json(const Summary& summary) {
  const Json mean = summary.n > 0 ? number(summary.mean) : Json(nullptr);
  return {{"n", summary.n},
          {"mean", mean},
          {"sd", number(summary.sd)},
          {"half_width", number(summary.half_width)}};
}

Json metrics_json(const MethodRow& method, const std::vector<MetricDoc>& present) {
  Json metrics = Json::object();
  for (const MetricDoc& doc : present) {
    const auto found = method.metrics.find(doc.key);
    if (found == method.metrics.end()) continue;
    Json cell = summary_json(found->second.over_seeds);
    const auto& difference = found->second.minus_finetune;
    cell["minus_finetune"] = difference ? summary_json(*difference) : Json();
    metrics[doc.key] = cell;
  }
  return metrics;
}

Json probe_rows_json(const MeanMatrix& matrix) {
  Json rows = Json::array();
  for (const auto& [stage, cells] : matrix.probe_rows) {
    Json scores = Json::array();
    for (const auto& cell : cells) scores.push_back(number(cell));
    rows.push_back({{"after_task", stage}, {"scores", scores}});
  }
  return rows;
}

Json matrix_json(const MeanMatrix& matrix) {
  Json rows = Json::array();
  for (const auto& [stage, cells] : matrix.rows) {
    Json scores = Json::array(), half_widths = Json::array();
    const auto summaries = matrix.cells.find(stage);
    for (size_t i = 0; i < cells.size(); ++i) {
      scores.push_back(number(cells[i]));
      const bool known = summaries != matrix.cells.end() && i < summaries->second.size();
      half_widths.push_back(number(known ? summaries->second[i].half_width : std::nullopt));
    }
    rows.push_back({{"after_task", stage}, {"scores", scores}, {"half_widths", half_widths}});
  }
  return {{"metric", matrix.metric},
          {"unit", matrix.unit},
          {"higher_is_better", matrix.higher_is_better},
          {"tasks", matrix.tasks},
          {"rows", rows},
          {"probes", matrix.probes},
          {"probe_rows", probe_rows_json(matrix)}};
}

Json method_json(const MethodRow& method, const std::vector<MetricDoc>& present) {
  Json matrices = Json::array(), usage = Json::array(), samples = Json::array();
  for (const MeanMatrix& matrix : method.matrices) matrices.push_back(matrix_json(matrix));
  for (const Usage& u : method.usage) {
    usage.push_back({{"phase", u.phase},
                     {"category", u.category},
                     {"device", u.device},
                     {"peak_bytes", u.peak},
                     {"at_peak_bytes", u.at_peak}});
  }
  for (const Sample& s : method.samples) {
    samples.push_back({{"after_task", s.after_task},
                       {"on_task", s.on_task},
                       {"row", s.row},
                       {"prompt", s.prompt},
                       {"expected", s.expected},
                       {"generated", s.generated}});
  }
  return {{"method", method.label},
          {"seeds", method.seeds},
          {"failed", method.failed},
          {"jobs", method.jobs},
          {"metrics", metrics_json(method, present)},
          {"matrices", matrices},
          {"usage", usage},
          {"sample_seed", method.sample_seed},
          {"samples", samples},
          {"errors", method.errors}};
}

Json environment_json(const Environment& e) {
  return {
      {"build", e.build},           {"libtorch", e.libtorch}, {"compiler", e.compiler},
      {"device", e.device},         {"cpu", e.cpu},           {"cpu_capability", e.cpu_capability},
      {"git_commit", e.git_commit}, {"threads", e.threads},   {"jobs", e.jobs}};
}

Json docs_json(const std::vector<MetricDoc>& docs) {
  Json list = Json::array();
  for (const MetricDoc& doc : docs) {
    list.push_back({{"key", doc.key},
                    {"title", doc.title},
                    {"unit", doc.unit},
                    {"definition", doc.definition},
                    {"source", doc.source},
                    {"higher_is_better", doc.higher_is_better}});
  }
  return list;
}

Json reference_json(const ReferenceTable& table) {
  Json cells = Json::array();
  for (const ReferenceCell& cell : table.cells) {
    Json published, measured = Json::array();
    if (cell.published) {
      published = {{"mean", number(cell.published->mean)},
                   {"sem", number(cell.published->sem)},
                   {"sd", number(cell.published->sd())},
                   {"seeds", cell.published->seeds ? Json(*cell.published->seeds) : Json()},
                   {"status", status_text(cell.published->status)}};
    }
    for (const auto& [seed, value] : cell.measured) {
      measured.push_back({{"seed", seed}, {"value", number(value)}});
    }
    cells.push_back({{"method", cell.method},
                     {"ours", summary_json(cell.ours)},
                     {"published", published},
                     {"measured", measured},
                     {"difference_in_sd", number(cell.deviations)},
                     {"difference_in_own_sd", number(cell.own_deviations)},
                     {"verdict", agreement_text(cell.agreement)},
                     {"why", cell.why}});
  }
  return {{"stream", table.stream}, {"source", table.source}, {"cite", table.cite},
          {"code", table.code},     {"metric", table.metric}, {"unit", table.unit},
          {"figures", cells}};
}

Json relation_json(const RelationResult& relation) {
  Json links = Json::array();
  for (const RelationLink& link : relation.links) {
    links.push_back({{"left", link.left},
                     {"operator", link.op},
                     {"right", link.right},
                     {"left_mean", number(link.left_mean)},
                     {"right_mean", number(link.right_mean)},
                     {"difference", summary_json(link.difference)},
                     {"holds", link.holds}});
  }
  return {{"expression", relation.expression},
          {"metric", relation.metric},
          {"margin", relation.margin},
          {"holds", relation.holds()},
          {"links", links}};
}

Json comparison_json(const Comparison& c, const std::vector<MetricDoc>& docs) {
  const std::vector<MetricDoc> present = metrics_present(c, docs);
  Json methods = Json::array();
  for (const MethodRow& method : c.methods) methods.push_back(method_json(method, present));
  Json references = Json::array(), relations = Json::array();
  for (const ReferenceTable& table : c.references) references.push_back(reference_json(table));
  for (const RelationResult& relation : c.relations) relations.push_back(relation_json(relation));
  return {{"title", c.title},
          {"stream", c.stream},
          {"model", c.model},
          {"build", c.build},
          {"device_class", c.device_class},
          {"environment", environment_json(c.environment)},
          {"notes", c.notes},
          {"metrics", docs_json(present)},
          {"methods", methods},
          {"references", references},
          {"relations", relations}};
}

}  // namespace

std::string report_json(const std::vector<Comparison>& comparisons,
                        const std::vector<MetricDoc>& docs) {
  Json list = Json::array();
  for (const Comparison& comparison : comparisons)
    list.push_back(comparison_json(comparison, docs));
  const Json document = {{"comparisons", list}};
  // A generated text can end inside a UTF-8 character: such bytes become U+FFFD.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lethe
