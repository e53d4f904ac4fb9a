// R matrices as heat maps, forgetting curves, and memory against forgetting.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/report_numbers.h"
#include "analysis/report_tables.h"

namespace lethe {
namespace {

struct Bounds {
  double low = 0, high = 1;
};

// Fractions use the whole 0..1, so that colours compare across reports; other units span their
// values.
Bounds bounds_of(const Comparison& comparison, const std::string& metric, const std::string& unit) {
  if (unit == "fraction") return {0, 1};
  bool first = true;
  Bounds bounds;
  for (const MethodRow& method : comparison.methods) {
    for (const MeanMatrix& matrix : method.matrices) {
      if (matrix.metric != metric) continue;
      for (const auto* rows : {&matrix.rows, &matrix.probe_rows}) {
        for (const auto& [stage, cells] : *rows) {
          for (const std::optional<double>& cell : cells) {
            if (!cell || !std::isfinite(*cell)) continue;
            bounds.low = first ? *cell : std::min(bounds.low, *cell);
            bounds.high = first ? *cell : std::max(bounds.high, *cell);
            first = false;
          }
        }
      }
    }
  }
  if (!(bounds.high > bounds.low)) bounds.high = bounds.low + 1;
  return bounds;
}

std::string metric_name(const MeanMatrix& matrix) {
  const std::string unit = shown_unit(matrix.unit).name;
  return unit.empty() ? matrix.metric : fmt::format("{} ({})", matrix.metric, unit);
}

void add_cells(const std::vector<std::optional<double>>& cells, size_t columns,
               const MeanMatrix& matrix, Bounds bounds, std::vector<TableCell>& row) {
  for (size_t column = 0; column < columns; ++column) {
    const std::optional<double> cell = column < cells.size() ? cells[column] : std::nullopt;
    TableCell shown{"-"};
    if (cell && std::isfinite(*cell)) {
      shown.text = rounded(*cell, matrix.unit);
      const double place = (*cell - bounds.low) / (bounds.high - bounds.low);
      shown.shade = std::clamp(matrix.higher_is_better ? place : 1 - place, 0.0, 1.0);
    }
    row.push_back(shown);
  }
}

// Tasks, then the probes of the same metric.
Table heat_map(const MethodRow& method, const MeanMatrix& matrix, Bounds bounds) {
  Table table{.caption = fmt::format("{}: {}", method.label, metric_name(matrix)),
              .head = {"Score on"}};
  table.head.insert(table.head.end(), matrix.tasks.begin(), matrix.tasks.end());
  for (const std::string& probe : matrix.probes) table.head.push_back("probe " + probe);
  const std::vector<std::string> tasks = stream_tasks(method);
  std::set<int64_t> stages;
  for (const auto* rows : {&matrix.rows, &matrix.probe_rows}) {
    for (const auto& [stage, cells] : *rows) stages.insert(stage);
  }
  const auto cells_of = [](const auto& rows, int64_t stage) {
    const auto found = rows.find(stage);
    return found == rows.end() ? std::vector<std::optional<double>>() : found->second;
  };
  for (const int64_t stage : stages) {
    std::vector<TableCell> row = {{stage_name(stage, tasks)}};
    add_cells(cells_of(matrix.rows, stage), matrix.tasks.size(), matrix, bounds, row);
    add_cells(cells_of(matrix.probe_rows, stage), matrix.probes.size(), matrix, bounds, row);
    table.rows.push_back(row);
  }
  return table;
}

double half_width(const MeanMatrix& matrix, int64_t stage, size_t task) {
  const auto row = matrix.cells.find(stage);
  if (row == matrix.cells.end() || task >= row->second.size()) return 0;
  return row->second[task].half_width.value_or(0);
}

CurvePanel curve_panel(const MeanMatrix& matrix, Bounds bounds) {
  const double factor = shown_unit(matrix.unit).factor;
  const double margin = 0.03 * (bounds.high - bounds.low);
  CurvePanel panel{.lines = std::vector<CurveLine>(matrix.tasks.size()),
                   .low = factor * (bounds.low - margin),
                   .high = factor * (bounds.high + margin)};
  for (const auto& [stage, cells] : matrix.rows) {
    if (stage < 0) continue;
    for (size_t task = 0; task < std::min(panel.lines.size(), cells.size()); ++task) {
      panel.lines[task].resize(static_cast<size_t>(stage) + 1);
      if (!cells[task]) continue;
      panel.lines[task].back() =
          StageScore{*cells[task] * factor, half_width(matrix, stage, task) * factor};
    }
  }
  return panel;
}

// One block of small multiples for each metric that any method's matrices use.
Blocks curves(const Comparison& comparison) {
  std::vector<Panels> by_metric;
  for (const MethodRow& method : comparison.methods) {
    for (const MeanMatrix& matrix : method.matrices) {
      if (matrix.tasks.empty()) continue;
      const std::string caption =
          fmt::format("{} on each task after each stage, mean over seeds with 95 % intervals.",
                      metric_name(matrix));
      auto at = std::find_if(by_metric.begin(), by_metric.end(),
                             [&](const Panels& panels) { return panels.caption == caption; });
      if (at == by_metric.end()) {
        at = by_metric.insert(at, Panels{.caption = caption, .legend = matrix.tasks});
      }
      const Bounds bounds = bounds_of(comparison, matrix.metric, matrix.unit);
      at->panels.push_back({method.label, draw_curves(curve_panel(matrix, bounds))});
    }
  }
  Blocks blocks;
  if (!by_metric.empty()) blocks.emplace_back(Heading{3, "Forgetting curves"});
  blocks.insert(blocks.end(), by_metric.begin(), by_metric.end());
  return blocks;
}

// The first metric present whose key begins with `prefix`, in `unit` where that is not empty.
const MetricDoc* first_with(const std::vector<MetricDoc>& present, const std::string& prefix,
                            const std::string& unit) {
  for (const MetricDoc& doc : present) {
    if (doc.key.rfind(prefix, 0) == 0 && (unit.empty() || doc.unit == unit)) return &doc;
  }
  return nullptr;
}

Blocks scatter(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  const MetricDoc* forgetting = first_with(present, "forgetting", "");
  const MetricDoc* memory = first_with(present, "peak", "bytes");
  if (memory == nullptr) memory = first_with(present, "", "bytes");
  if (forgetting == nullptr || memory == nullptr) return {};
  const ShownUnit fx = shown_unit(memory->unit), fy = shown_unit(forgetting->unit);
  std::vector<ScatterPoint> points;
  for (const MethodRow& method : comparison.methods) {
    const auto x = method.metrics.find(memory->key), y = method.metrics.find(forgetting->key);
    if (x == method.metrics.end() || y == method.metrics.end()) continue;
    const Summary &m = x->second.over_seeds, &f = y->second.over_seeds;
    if (m.n == 0 || f.n == 0) continue;
    points.push_back({fx.factor * m.mean, fy.factor * f.mean, fx.factor * m.half_width.value_or(0),
                      fy.factor * f.half_width.value_or(0), method.label});
  }
  if (points.empty()) return {};
  const Figure figure =
      draw_scatter(points, fmt::format("memory ({})", fx.name),
                   fy.name.empty() ? "forgetting" : "forgetting (" + fy.name + ")");
  return {Heading{3, "Memory against forgetting"},
          Panels{.caption =
                     fmt::format("{} against {}, mean over seeds with intervals; towards the lower "
                                 "left is better. The broken line joins the Pareto front: methods "
                                 "than which no other is better in one and as good in the other.",
                                 memory->title, forgetting->title),
                 .legend = {},
                 .panels = {{"", figure}},
                 .wide = true}};
}

}  // namespace

Blocks matrix_section(const Comparison& comparison) {
  HeatMaps maps;
  for (const MethodRow& method : comparison.methods) {
    for (const MeanMatrix& matrix : method.matrices) {
      maps.tables.push_back(
          heat_map(method, matrix, bounds_of(comparison, matrix.metric, matrix.unit)));
    }
  }
  if (maps.tables.empty()) return {};
  return {Heading{3, "R matrices"},
          Paragraph{
              "R[i][j] is the score on task j after learning task i, mean over seeds. Read down a "
              "column to see a task learned and forgotten. Probes are rows that no task trains."},
          maps};
}

Blocks figure_section(const Comparison& comparison, const std::vector<MetricDoc>& present) {
  Blocks blocks = scatter(comparison, present);
  const Blocks more = curves(comparison);
  blocks.insert(blocks.end(), more.begin(), more.end());
  return blocks;
}

}  // namespace lethe
