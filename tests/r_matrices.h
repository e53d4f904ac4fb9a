// Literal R matrices and trials for the tests of analysis.
#pragma once

#include <string>
#include <vector>

#include "analysis/rmatrix.h"
#include "core/trial.h"

namespace lethe {

/// The matrix that every golden value of docs/metrics.md belongs to, with its random-initialisation
/// row.
inline RMatrix golden_r() {
  RMatrix r = make_rmatrix(
      {{.90, .30, .25, .20}, {.95, .80, .85, .30}, {.70, .60, .80, .40}, {.75, .88, .70, .92}});
  r.random = {.10, .12, .08, .11};
  return r;
}

/// A score whose sum over 1000 rows (or tokens) is that of `score`.
inline Evaluation scored(int64_t after, int64_t on, double score,
                         MetricInfo metric = {"accuracy", "fraction", true}) {
  Evaluation cell;
  cell.after_task = after;
  cell.on_task = on;
  cell.task = on == 0 ? "probe" : "task " + std::to_string(on);
  cell.metric = std::move(metric);
  cell.total = 1000;
  cell.sum = score * 1000;
  return cell;
}

/// A finished trial with the given rows of R: rows[0] before any training.
inline TrialRecord finished(const std::string& method, int64_t seed,
                            const std::vector<std::vector<double>>& rows,
                            const MetricInfo& metric = {"accuracy", "fraction", true}) {
  TrialRecord record;
  record.id = seed;
  record.key = {"method = " + method + "\nseed = " + std::to_string(seed), "build1", "cpu"};
  record.method = method;
  record.model = "mlp";
  record.stream = "split";
  record.seed = seed;
  record.status = "done";
  for (size_t on = 0; on < rows[0].size(); ++on) {
    record.result.task_names.push_back("task " + std::to_string(on + 1));
  }
  for (size_t after = 0; after < rows.size(); ++after) {
    for (size_t on = 0; on < rows[after].size(); ++on) {
      record.result.evaluations.push_back(scored(
          static_cast<int64_t>(after), static_cast<int64_t>(on) + 1, rows[after][on], metric));
    }
  }
  return record;
}

}  // namespace lethe
