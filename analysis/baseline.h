// The gate of `lethe check`: a store's metrics against a small TOML file that can be reviewed in a
// diff.
//
//   [[metric]]                       # a floor; where lower is better, a ceiling
//   stream = "instructions"
//   method = "ewc"
//   metric = "final_average"
//   value = 0.71                     # rewritten by --update
//   allowed_fall = 0.02              # in units of the metric; a rise where lower is better
//
//   [[relation]]                     # between the methods' means over seeds
//   stream = "instructions"
//   metric = "forgetting"
//   expression = "multitask < ewc < finetune"
//   margin = 0.05                    # optional: by how much at least
//
// Both tables take an optional `model`; without it every model of the stream is held to the entry.
// A chain may use <, <=, > and >= and may hold numbers, "finetune > 0.3", and sets of methods,
// "replay > {si, ewc}": each member is held to the relation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/comparison.h"

namespace lethe {

struct MetricBound {
  std::string stream;
  std::optional<std::string> model;
  std::string method, metric;  ///< `metric` is a key of metric_docs(), perhaps with ":METRIC"
  double value = 0;
  double allowed_fall = 0;
  int64_t line = 0;  ///< of the entry in the file
  /// Where the number of `value` stands in the file's text.
  size_t value_begin = 0, value_end = 0;
};

struct Relation {
  std::string stream;
  std::optional<std::string> model;
  std::string metric, expression;
  double margin = 0;
  int64_t line = 0;
};

struct Baseline {
  std::string path;
  std::string text;  ///< the file as it was read
  std::vector<MetricBound> metrics;
  std::vector<Relation> relations;
};

/// One broken promise, in a line that names method, metric, stream, model, the measured value, the
/// limit and what makes it, and the entry's FILE:LINE.
struct Violation {
  std::string text;
};

/// Reads and checks a file. Throws Error with FILE:LINE for bad TOML, an unknown or missing key, a
/// value of the wrong type, an unknown metric, a negative allowance and an expression that is not a
/// chain.
Baseline read_baseline(const std::string& path);

/// The same from text; `path` is for messages.
Baseline parse_baseline(const std::string& text, const std::string& path);

/// Everything in which the comparisons fall short, in the file's order. An entry that no comparison
/// measures, and a score that is not a number, are violations too. Equality with the limit is not
/// one, nor is a difference of 1e-9 of the value, which is rounding.
std::vector<Violation> check_baseline(const Baseline& baseline,
                                      const std::vector<Comparison>& comparisons);

/// The links of a relation in one comparison that it is about. A link with a side that was not
/// measured does not hold.
RelationResult result_of(const Relation& relation, const Comparison& comparison);

/// Puts the relations' results into the comparisons that they are about, for a report. Returns a
/// line for each relation without any.
std::vector<std::string> add_relations(const Baseline& baseline,
                                       std::vector<Comparison>& comparisons);

/// The baseline with the measured values, 4 significant digits, rounded to the lenient side, so
/// that a bound with allowance 0 passes. Where several comparisons match, the worst one's value.
/// What was not measured stays as it is; relations and allowances do too.
Baseline with_measured(const Baseline& baseline, const std::vector<Comparison>& comparisons);

/// Writes the file: its text as it was read, comments and order included, with the present values.
/// A number that did not change keeps its spelling.
/// Throws Error when the file cannot be written.
void write_baseline(const Baseline& baseline, const std::string& path);

}  // namespace lethe
