// A comparison: methods by metrics over seeds, made from the store's records alone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/findings.h"
#include "analysis/statistics.h"
#include "core/trial.h"

namespace lethe {

/// One metric of one method.
struct MetricCell {
  Summary over_seeds;
  std::optional<Summary> minus_finetune;  ///< paired by seed
  std::map<int64_t, double> by_seed{};    ///< the values behind over_seeds
};

/// Mean over seeds of R, row 0 = before training, -1 = random initialisation; nullopt = not
/// measured.
struct MeanMatrix {
  std::string metric, unit;
  std::vector<std::string> tasks;
  std::map<int64_t, std::vector<std::optional<double>>> rows;
  std::map<int64_t, std::vector<Summary>>
      cells;  ///< the same over seeds, for curves; n = 0: missing
  bool higher_is_better = true;
  /// Extra columns: the probes that are measured in this metric, before training (0) and after
  /// every stage.
  std::vector<std::string> probes = {};
  std::map<int64_t, std::vector<std::optional<double>>> probe_rows = {};
};

struct MethodRow {
  std::string label;  ///< the sweep's label of the method
  int64_t seeds = 0, failed = 0;
  std::map<std::string, MetricCell> metrics;  ///< by metric key, see metric_docs()
  /// One per metric that the stream's tasks use, then those that only probes use, without tasks.
  std::vector<MeanMatrix> matrices;
  /// Of the smallest seed with a row that was learned and lost, else of the smallest.
  std::vector<Sample> samples;
  int64_t sample_seed = 0;
  std::vector<Usage> usage;  ///< of the smallest seed, every phase
  std::set<int64_t> jobs;    ///< trials at a time, of the finished ones
  /// Batches, values and levers of the finished ones, see kTrainedWith.
  std::set<std::string> trained_with;
  std::set<std::string> trained_as;  ///< updates and optimiser of the finished ones
  std::vector<std::string> errors;
};

struct MetricDoc {
  std::string key, title, unit, definition, source;
  bool higher_is_better = true;
};

/// The methods that met one stream with one model under one build and device class.
struct Comparison {
  std::string title, stream, model, build, device_class;
  Environment environment;
  std::vector<MethodRow> methods;  ///< in the sweep's order
  std::vector<std::string>
      notes;  ///< what a reader must know: failed trials, missing seeds, builds
  /// The metrics that occur here, in column order: key, unit and direction as they are for this
  /// stream (metric_docs() has the general ones: its final_average does not know that a stream is
  /// in nats).
  std::vector<MetricDoc> docs;
  OptionMap stream_options;         ///< of the trials' canonical text, with the stream's "name"
  bool on_validation_rows = false;  ///< trials of a search
  /// Empty unless hold_against() and add_relations() were asked for them.
  std::vector<ReferenceTable> references;
  std::vector<RelationResult> relations;
};

/// Every metric that a report can show, in the order of its columns. A stream whose tasks differ in
/// metric has its keys with a suffix, as in "final_average:loss"; Comparison::docs lists those.
const std::vector<MetricDoc>& metric_docs();

/// The method's metric, nullptr where no seed has it.
const MetricCell* cell_of(const Comparison& comparison, const std::string& label,
                          const std::string& metric);

/// The doc of a metric's key: the comparison's own, which knows unit and direction in its stream,
/// else the general one, else one with the key alone.
MetricDoc doc_of(const Comparison& comparison, const std::string& metric);

/// Groups by (stream, model, build, device class), methods by label, both in order of first
/// appearance. Trials of one label that differ in more than the seed are never pooled: the newest
/// set keeps the label, older sets are rows of their own ("ewc (earlier)"), and a note names what
/// differs.
std::vector<Comparison> compare(const std::vector<TrialRecord>& records);

}  // namespace lethe
