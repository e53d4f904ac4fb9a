#include "analysis/reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/report_numbers.h"
#include "core/error.h"

namespace lethe {
namespace {

constexpr double kAgreeWithin = 2;  // published standard deviations of one seed

// "split scenario=class tasks=5" as the file's entry says it, for messages.
std::string described(const ReferenceStream& stream) {
  std::string text = stream.name;
  for (const auto& [key, value] : stream.when) text += fmt::format(" {}={}", key, value);
  return stream.model ? text + " with " + *stream.model : text;
}

bool is_about(const ReferenceStream& stream, const Comparison& comparison) {
  const auto has = [&](const std::string& key, const std::string& value) {
    const auto option = comparison.stream_options.find(key);
    return option != comparison.stream_options.end() && option->second == value;
  };
  return !comparison.on_validation_rows && has("name", stream.name) &&
         (!stream.model || comparison.model == *stream.model) &&
         std::all_of(stream.when.begin(), stream.when.end(),
                     [&](const auto& option) { return has(option.first, option.second); });
}

// Metrics in the order in which the figures name them.
std::vector<std::string> metrics_of(const ReferenceStream& stream) {
  std::vector<std::string> metrics;
  for (const ReferenceFigure& figure : stream.figures) {
    if (std::find(metrics.begin(), metrics.end(), figure.metric) == metrics.end()) {
      metrics.push_back(figure.metric);
    }
  }
  return metrics;
}

const ReferenceFigure* figure_of(const ReferenceStream& stream, const std::string& method,
                                 const std::string& metric) {
  for (const ReferenceFigure& figure : stream.figures) {
    if (figure.method == method && figure.metric == metric) return &figure;
  }
  return nullptr;
}

// The comparison's methods in their order, then those that only the file has.
std::vector<std::string> methods_of(const ReferenceStream& stream, const Comparison& comparison) {
  std::vector<std::string> methods;
  for (const MethodRow& row : comparison.methods) methods.push_back(row.label);
  for (const ReferenceFigure& figure : stream.figures) {
    if (std::find(methods.begin(), methods.end(), figure.method) == methods.end()) {
      methods.push_back(figure.method);
    }
  }
  return methods;
}

void judge(ReferenceCell& cell) {
  if (cell.ours.n == 0) {
    cell.agreement = Agreement::not_measured;
  } else if (!cell.published) {
    cell.agreement = Agreement::no_figure;
  } else if (const auto sd = cell.published->sd(); !sd) {
    cell.agreement = Agreement::no_spread;
    if (cell.ours.sd && *cell.ours.sd > 0) {
      cell.own_deviations = (cell.ours.mean - cell.published->mean) / *cell.ours.sd;
    }
  } else {
    cell.deviations = (cell.ours.mean - cell.published->mean) / *sd;
    const bool near = std::abs(*cell.deviations) <= kAgreeWithin;
    cell.agreement = near ? Agreement::agrees : Agreement::differs;
  }
}

// Figures divided by `factor`, which leads from base units to shown ones.
ReferenceCell cell_beside(const ReferenceFigure* figure, const std::string& source, bool first,
                          double factor) {
  ReferenceCell cell;
  if (figure == nullptr) return cell;
  cell.why = figure->why;
  for (const SourcedFigure& one : figure->published) {
    if (one.source != source) continue;
    cell.published = one.figure;
    cell.published->mean /= factor;
    if (cell.published->sem) *cell.published->sem /= factor;
    if (!one.why.empty()) cell.why = one.why;
  }
  if (!first) return cell;
  for (const auto& [seed, value] : figure->measured)
    cell.measured.emplace_back(seed, value / factor);
  return cell;
}

struct TableRequest {
  const ReferenceSource* source;  ///< nullptr: measured values alone
  std::string metric;
  bool first;  ///< of this metric
};

ReferenceTable table_beside(const Reference& reference, const ReferenceStream& stream,
                            const Comparison& comparison, const TableRequest& request) {
  const MetricDoc doc = doc_of(comparison, request.metric);
  ReferenceTable table;
  table.stream = stream.title.empty() ? comparison.title : stream.title;
  if (request.source != nullptr) {
    table.source = request.source->key;
    table.cite = request.source->cite;
  }
  table.metric = request.metric;
  table.title = doc.title;
  table.unit = doc.unit == "score" ? "fraction" : doc.unit;
  table.code = reference.code;
  for (const std::string& method : methods_of(stream, comparison)) {
    ReferenceCell cell = cell_beside(figure_of(stream, method, request.metric), table.source,
                                     request.first, shown_unit(table.unit).factor);
    cell.method = method;
    if (const MetricCell* ours = cell_of(comparison, method, request.metric)) {
      cell.ours = ours->over_seeds;
    }
    judge(cell);
    const bool shown = cell.published || !cell.measured.empty();
    if (shown || (request.first && cell.ours.n > 0)) table.cells.push_back(std::move(cell));
  }
  return table;
}

bool has_source(const ReferenceStream& stream, const std::string& metric, const std::string& key) {
  return std::any_of(stream.figures.begin(), stream.figures.end(), [&](const auto& figure) {
    return figure.metric == metric &&
           std::any_of(figure.published.begin(), figure.published.end(),
                       [&](const SourcedFigure& one) { return one.source == key; });
  });
}

void add_tables(const Reference& reference, const ReferenceStream& stream, Comparison& comparison) {
  for (const std::string& metric : metrics_of(stream)) {
    bool first = true;
    for (const ReferenceSource& source : reference.sources) {
      if (!has_source(stream, metric, source.key)) continue;
      comparison.references.push_back(
          table_beside(reference, stream, comparison, {&source, metric, first}));
      first = false;
    }
    if (!first) continue;
    comparison.references.push_back(
        table_beside(reference, stream, comparison, {nullptr, metric, true}));
  }
}

// A line for each method that nothing in the store is called by: a typing error, or trials to run.
void note_methods(const Reference& reference, const ReferenceStream& stream,
                  const std::vector<Comparison>& comparisons, std::vector<std::string>& not_there) {
  std::set<std::string> known;
  for (const Comparison& comparison : comparisons) {
    for (const MethodRow& row : comparison.methods) known.insert(row.label);
  }
  for (const ReferenceFigure& figure : stream.figures) {
    if (known.contains(figure.method)) continue;
    not_there.push_back(fmt::format("{}:{}: no trial of method '{}'; the store's methods: {}",
                                    reference.path, figure.line, figure.method,
                                    fmt::join(known, ", ")));
  }
}

}  // namespace

std::vector<std::string> hold_against(const Reference& reference,
                                      std::vector<Comparison>& comparisons) {
  std::vector<std::string> not_there, streams;
  for (const Comparison& comparison : comparisons) streams.push_back(comparison.stream);
  for (const ReferenceStream& stream : reference.streams) {
    std::vector<Comparison*> found;
    for (Comparison& comparison : comparisons) {
      if (is_about(stream, comparison)) found.push_back(&comparison);
    }
    if (!found.empty()) note_methods(reference, stream, comparisons, not_there);
    if (found.size() == 1 && !stream.title.empty()) found[0]->title = stream.title;
    for (Comparison* comparison : found) add_tables(reference, stream, *comparison);
    if (!found.empty()) continue;
    not_there.push_back(fmt::format("{}:{}: no trial of {}; the store's streams: {}",
                                    reference.path, stream.line, described(stream),
                                    fmt::join(streams, ", ")));
  }
  return not_there;
}

}  // namespace lethe
