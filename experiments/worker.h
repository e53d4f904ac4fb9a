// The inside of one worker process.
#pragma once

#include "experiments/workers.h"

namespace lethe {

/// Takes trials until none is left and reports on `out`, a pipe. Returns the exit code.
int work(const std::vector<Trial>& trials, const WorkSettings& settings, int out);

/// What the store is told of a trial before it runs.
TrialRecord record_of(const Trial& trial, const WorkSettings& settings);

}  // namespace lethe
