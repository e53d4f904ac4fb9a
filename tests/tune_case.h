// Searches without training: plans, and results as a store would give them. Include tests/catch.h
// first.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "experiments/tune.h"
#include "tests/sweep_case.h"

namespace lethe {

inline TunePlan plan_of(const std::string& text, const TuneRequest& request = {},
                        const std::vector<std::string>& overrides = {}) {
  return plan_tuning(with_overrides(parse_sweep(text, "s.toml"), overrides, builtin_methods()),
                     request, builtin_methods());
}

/// What planning says.
inline std::string plan_refusal(const std::string& text, const TuneRequest& request = {}) {
  try {
    return std::to_string(plan_of(text, request).trials.size()) + " trials";
  } catch (const Error& error) {
    return error.what();
  }
}

inline TrialRecord record_of(const TuneTrial& one, const std::string& digest) {
  TrialRecord record;
  record.key.text = canonical_text(one.trial.spec);
  record.digest = digest;
  record.status = "done";
  return record;
}

/// A finished trial of two tasks: task 1 has `learned` after task 1 and `kept` after task 2, where
/// task 2 has 1.
inline TrialRecord finished(const TuneTrial& one, const std::string& digest, double learned,
                            double kept) {
  TrialRecord record = record_of(one, digest);
  record.result.task_names = {"first", "second"};
  const auto add = [&](int64_t after, int64_t on, double score) {
    Evaluation cell;
    cell.after_task = after;
    cell.on_task = on;
    cell.task = record.result.task_names[static_cast<size_t>(on) - 1];
    cell.metric = {"accuracy", "fraction", true};
    cell.total = 100;
    cell.sum = score * 100;
    record.result.evaluations.push_back(cell);
  };
  add(0, 1, 0.5);
  add(0, 2, 0.5);
  add(1, 1, learned);
  add(1, 2, 0.5);
  add(2, 1, kept);
  add(2, 2, 1);
  return record;
}

inline TrialRecord failed(const TuneTrial& one, const std::string& digest,
                          const std::string& error) {
  TrialRecord record = record_of(one, digest);
  record.status = "failed";
  record.error = error;
  return record;
}

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

}  // namespace lethe
