// Worker processes: one thread each, one trial at a time.
#pragma once

#include <string>
#include <vector>

#include "experiments/sweep.h"

namespace lethe {

struct WorkSettings {
  std::string db, device = "cpu";
  std::string device_class = "cpu";  ///< of `device`, see find_device()
  int64_t device_memory = 0;         ///< bytes that a GPU has free
  int jobs = 1;
  bool quiet = false;
  int64_t memory = 0;  ///< bytes that a trial's tensors may take on the host; 0 = what there is
  double retry_before = 0;  ///< failures older than this run again, in seconds since 1970
  const StrategyRegistry* registry = nullptr;
};

/// How long a trial stays with a worker whose sweep gives no sign of life, in seconds.
constexpr double kLease = 120;

struct WorkOutcome {
  int64_t done = 0, failed = 0, skipped = 0;
  int64_t failed_before = 0;  ///< of those skipped
  bool interrupted = false;
};

/// Runs every trial that the store lacks. Call before any libtorch operation of this process:
/// workers are forked. SIGINT and SIGTERM stop workers at their next step; a second signal kills
/// them. A worker that dies leaves its trial failed with the signal's name, and another takes its
/// place.
WorkOutcome run_trials(const std::vector<Trial>& trials, const WorkSettings& settings);

/// Those of the trials that the store lacks, in their order: all where there is no store yet.
std::vector<Trial> missing_trials(const std::vector<Trial>& trials, const WorkSettings& settings);

/// Those that run_trials() runs: missing ones, and of those that failed none but to try again.
std::vector<Trial> trials_to_run(const std::vector<Trial>& trials, const WorkSettings& settings);

/// Under what a trial is stored by this build on a device of that class.
TrialKey key_of(const Trial& trial, const std::string& device_class);

}  // namespace lethe
