// R: the score on every task after learning every task, from which all metrics of forgetting come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/trial.h"

namespace lethe {

/// A score, or nothing where it was not measured.
using Cell = std::optional<double>;
using Cells = std::vector<Cell>;

/// Scores in one metric: a row for each stage, a column for each task that is measured in this
/// metric.
struct RMatrix {
  MetricInfo metric;
  std::vector<std::string> tasks;  ///< names of the columns
  std::vector<int64_t>
      learned;  ///< the stage at which column c was learned; 1..T where all columns are here
  std::vector<Cells> rows;  ///< rows[i] after stage i; rows[0] before any training
  Cells random;             ///< scores of a randomly initialised model

  int64_t stages() const { return static_cast<int64_t>(rows.size()) - 1; }  ///< T
  int64_t columns() const { return static_cast<int64_t>(tasks.size()); }
  /// Cell of column `column` (0-based) after `stage` (0 = before training, -1 = random
  /// initialisation).
  Cell at(int64_t stage, int64_t column) const;
};

/// An R over tasks "1".."T", accuracy by default, from its rows 1..T (square). Without rows 0 and
/// -1.
RMatrix make_rmatrix(std::vector<Cells> after_each_task,
                     MetricInfo metric = {"accuracy", "fraction"});

/// Names of the metrics in which a trial's tasks were measured, in order of the first task that
/// uses them. More than one: the stream's tasks differ in metric, and each has an R of its own.
std::vector<MetricInfo> task_metrics(const TrialResult& result);

/// R in the metric `metric`. Its columns are the tasks measured in it (all tasks, where the trial
/// uses one metric only, so that an unmeasured task counts as missing). Measurements within a task
/// and probes are left out; a cell with total 0 or a score that is not finite is missing. Throws
/// Error for a cell that was measured twice and for a stage outside -1..T.
RMatrix rmatrix_of(const TrialResult& result, const std::string& metric);

/// One probe's scores before any training and after the last task.
struct ProbeScores {
  std::string probe;
  MetricInfo metric;
  Cell before, after;
};

/// Scores of the probes, in order of first appearance.
std::vector<ProbeScores> probe_scores(const TrialResult& result);

}  // namespace lethe
