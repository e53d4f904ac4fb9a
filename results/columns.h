// Which column holds which field, once for writing and reading: visit(column, field) for every
// column of a row. Inside results/ only.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "core/trial.h"

namespace lethe {

/// A row of table `task`: TrialResult::task_names with their 1-based positions.
struct TaskRow {
  int64_t position = 0;
  std::string name;
};

/// A row of table `note`: one of TrialResult::notes.
struct NoteRow {
  std::string text;
};

/// `higher_is_better`, stored as the words "higher" and "lower".
template <class Bool>
struct Direction {
  Bool& higher;
};

template <class Row, class Plain>
concept RowOf = std::is_same_v<std::remove_const_t<Row>, Plain>;

template <RowOf<Evaluation> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("after_task", row.after_task);
  visit("step", row.step);
  visit("within_task", row.within_task);
  visit("on_task", row.on_task);
  visit("task", row.task);
  visit("metric", row.metric.name);
  visit("unit", row.metric.unit);
  visit("direction", Direction{row.metric.higher_is_better});
  visit("correct", row.correct);
  visit("total", row.total);
  visit("sum", row.sum);
}

template <RowOf<CurvePoint> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("task", row.task);
  visit("step", row.step);
  visit("loss", row.loss);
  visit("penalty", row.penalty);
  visit("learning_rate", row.learning_rate);
  visit("gradient_norm", row.gradient_norm);
}

template <RowOf<Usage> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("phase", row.phase);
  visit("category", row.category);
  visit("device", row.device);
  visit("peak", row.peak);
  visit("at_peak", row.at_peak);
}

template <RowOf<Timing> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("phase", row.phase);
  visit("wall", row.wall);
  visit("cpu", row.cpu);
  visit("tokens", row.tokens);
  visit("samples", row.samples);
}

template <RowOf<Sample> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("after_task", row.after_task);
  visit("on_task", row.on_task);
  visit("row_id", row.row);
  visit("prompt", row.prompt);
  visit("expected", row.expected);
  visit("generated", row.generated);
}

template <RowOf<Artifact> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("path", row.path);
  visit("sha256", row.sha256);
}

template <RowOf<PenaltyForm> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("strategy", row.strategy);
  visit("importance", row.importance);
  visit("divisor", row.divisor);
  visit("half", row.half);
  visit("anchor", row.anchor);
}

template <RowOf<TaskRow> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("position", row.position);
  visit("name", row.name);
}

template <RowOf<NoteRow> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("text", row.text);
}

template <RowOf<Environment> Row, class Visit>
void columns(Row& row, Visit&& visit) {
  visit("build", row.build);
  visit("libtorch", row.libtorch);
  visit("compiler", row.compiler);
  visit("device", row.device);
  visit("cpu", row.cpu);
  visit("cpu_capability", row.cpu_capability);
  visit("git_commit", row.git_commit);
  visit("threads", row.threads);
  visit("jobs", row.jobs);
}

}  // namespace lethe
