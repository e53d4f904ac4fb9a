// Whether the trials of a sweep fit the memory by their plans, found out before a model is loaded.
#pragma once

#include <cstdint>
#include <vector>

#include "experiments/workers.h"

namespace lethe {

/// How far a plan may be above what is measured: one that is above its limit by no more is let
/// through.
constexpr double kPlanAbove = 0.06;

/// Compares the peak of every trial's largest batch, by plan_request(), with settings.memory, and
/// without weights that stay in a mapped file with `machine`, the bytes that can be had; and the
/// sum of the largest of so many as run at once with `machine`. In a child process, which reads
/// config.json and the stream: no model is opened, and this process computes nothing. Throws Error
/// with the figures of all that are too large and what would make them fit. Trials without a plan,
/// or not on the CPU, pass.
void refuse_too_large(const std::vector<Trial>& trials, const WorkSettings& settings,
                      int64_t machine);

}  // namespace lethe
