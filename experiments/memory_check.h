// Whether the trials of a sweep fit the memory by their plans, found out before a model is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/grounds.h"
#include "experiments/workers.h"

namespace lethe {

/// How far a plan may be above what is measured: one that is above its limit by no more is let
/// through.
constexpr double kPlanAbove = 0.06;

/// Compares the peak of every trial's largest batch, by plan_request(), with settings.memory, and
/// without weights that stay in a mapped file with `machine`, the bytes that can be had; and the
/// sum of the largest of so many as run at once with `machine`. Reads config.json and the streams,
/// and opens no model. Returns the figures of all that are too large and what would make them fit;
/// empty where all fit. Of trials on a GPU what it has free (settings.device_memory; 0 = not known,
/// all pass) stands in place of both. Trials without a plan pass.
std::string memory_faults(const std::vector<Trial>& trials, const WorkSettings& settings,
                          int64_t machine, Grounds& grounds);

}  // namespace lethe
