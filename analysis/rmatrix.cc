#include "analysis/rmatrix.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"

namespace lethe {
namespace {

Cell score_of(const Evaluation& evaluation) {
  if (evaluation.total <= 0 || !std::isfinite(evaluation.score())) return std::nullopt;
  return evaluation.score();
}

// The number of stages: a trial that never got to evaluate its last task still has it as a missing
// row.
int64_t stages_of(const TrialResult& result) {
  auto stages = static_cast<int64_t>(result.task_names.size());
  for (const auto& evaluation : result.evaluations) {
    stages = std::max({stages, evaluation.on_task, evaluation.after_task});
  }
  return stages;
}

std::string task_name(const TrialResult& result, int64_t task, const std::string& fallback) {
  const auto index = static_cast<size_t>(task - 1);
  return index < result.task_names.size() ? result.task_names[index] : fallback;
}

bool is_task_cell(const Evaluation& evaluation) {
  return evaluation.on_task > 0 && !evaluation.within_task;
}

void put(RMatrix& r, int64_t column, const Evaluation& evaluation) {
  if (evaluation.after_task < -1) {
    fail("evaluation of task '{}' after task {}; expected -1 (random initialisation) or more",
         evaluation.task, evaluation.after_task);
  }
  Cells& row = evaluation.after_task < 0 ? r.random : r.rows[evaluation.after_task];
  if (row[column]) {
    fail("task '{}' has two {} scores after task {}; expected one", r.tasks[column], r.metric.name,
         evaluation.after_task);
  }
  row[column] = score_of(evaluation);
}

}  // namespace

Cell RMatrix::at(int64_t stage, int64_t column) const {
  if (column < 0 || column >= columns() || stage < -1 || stage > stages()) return std::nullopt;
  const Cells& row = stage < 0 ? random : rows[stage];
  return column < static_cast<int64_t>(row.size()) ? row[column] : std::nullopt;
}

RMatrix make_rmatrix(std::vector<Cells> after_each_task, MetricInfo metric) {
  RMatrix r;
  r.metric = std::move(metric);
  r.rows.emplace_back(after_each_task.size());
  r.random.resize(after_each_task.size());
  for (auto& row : after_each_task) {
    r.learned.push_back(r.columns() + 1);
    r.tasks.push_back(std::to_string(r.columns() + 1));
    r.rows.push_back(std::move(row));
  }
  return r;
}

std::vector<MetricInfo> task_metrics(const TrialResult& result) {
  std::map<std::string, int64_t> first_task;
  std::vector<MetricInfo> metrics;
  for (const auto& evaluation : result.evaluations) {
    if (evaluation.on_task <= 0) continue;
    const auto [entry, is_new] = first_task.emplace(evaluation.metric.name, evaluation.on_task);
    if (is_new) metrics.push_back(evaluation.metric);
    entry->second = std::min(entry->second, evaluation.on_task);
  }
  std::stable_sort(metrics.begin(), metrics.end(), [&](const MetricInfo& a, const MetricInfo& b) {
    return first_task[a.name] < first_task[b.name];
  });
  return metrics;
}

RMatrix rmatrix_of(const TrialResult& result, const std::string& metric) {
  RMatrix r;
  r.metric.name = metric;
  std::map<int64_t, std::string> names;
  for (const auto& evaluation : result.evaluations) {
    if (!is_task_cell(evaluation) || evaluation.metric.name != metric) continue;
    r.metric = evaluation.metric;
    names.emplace(evaluation.on_task, task_name(result, evaluation.on_task, evaluation.task));
  }
  // One metric for all: a task that was never measured is a missing column, not an absent one.
  if (task_metrics(result).size() == 1) {
    for (int64_t task = 1; task <= stages_of(result); ++task) {
      names.emplace(task, task_name(result, task, ""));
    }
  }
  for (const auto& [task, name] : names) {
    r.learned.push_back(task);
    r.tasks.push_back(name);
  }
  r.rows.assign(stages_of(result) + 1, Cells(r.tasks.size()));
  r.random.resize(r.tasks.size());
  for (const auto& evaluation : result.evaluations) {
    if (!is_task_cell(evaluation) || evaluation.metric.name != metric) continue;
    const auto place = std::lower_bound(r.learned.begin(), r.learned.end(), evaluation.on_task);
    put(r, place - r.learned.begin(), evaluation);
  }
  return r;
}

std::vector<ProbeScores> probe_scores(const TrialResult& result) {
  const int64_t last = stages_of(result);
  std::vector<ProbeScores> probes;
  for (const auto& evaluation : result.evaluations) {
    if (evaluation.on_task != 0 || evaluation.within_task) continue;
    auto probe = std::find_if(probes.begin(), probes.end(), [&](const ProbeScores& known) {
      return known.probe == evaluation.task && known.metric.name == evaluation.metric.name;
    });
    if (probe == probes.end()) {
      probe = probes.insert(probes.end(), {evaluation.task, evaluation.metric, {}, {}});
    }
    if (evaluation.after_task == 0) probe->before = score_of(evaluation);
    if (evaluation.after_task == last && last > 0) probe->after = score_of(evaluation);
  }
  return probes;
}

}  // namespace lethe
