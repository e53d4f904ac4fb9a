// Every metric of a report: its column, its words and the function that computes it, in one table.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/comparison.h"
#include "analysis/rmatrix.h"

namespace lethe {

/// A metric over R, hence one for each metric in which a stream's tasks are measured.
struct ScoreMetric {
  MetricDoc doc;  ///< unit "score" stands for the unit of R
  bool is_score;  ///< a score itself: better in the direction of R. Else a difference or a ratio.
  std::optional<double> (*of)(const RMatrix& r, const TrialResult& result);
};

/// A metric over the probes that share one metric ("loss" in the table's keys). Where several do,
/// each has columns of its own besides: "base_loss_rise:NAME".
struct ProbeMetric {
  MetricDoc doc;
  bool is_score;
  std::optional<double> (*of)(const std::vector<ProbeScores>& probes);
};

/// A metric of memory, size or time.
struct CostMetric {
  MetricDoc doc;
  std::optional<double> (*of)(const TrialResult& result);
};

const std::vector<ScoreMetric>& score_metrics();
const std::vector<ProbeMetric>& probe_metrics();
const std::vector<CostMetric>& cost_metrics();

/// Whether a row of usage is of the whole process or of an allocator's cache: such figures stand
/// beside the categories and are no part of their sum.
bool stands_beside(const Usage& usage);

/// In which metrics the trials of one comparison measured tasks and probes.
struct MeasuredIn {
  std::vector<MetricInfo> tasks, probes;
  std::map<std::string, std::vector<std::string>> probe_names = {};  ///< by metric
};
MeasuredIn measured_in(const std::vector<const TrialRecord*>& trials);

/// Docs of all metrics in column order, with keys, units and directions for what was measured.
std::vector<MetricDoc> docs_for(const MeasuredIn& measured);

/// One trial's numbers by key, those of docs_for(measured); undefined ones are absent.
std::map<std::string, double> numbers_of(const TrialResult& result, const MeasuredIn& measured);

}  // namespace lethe
