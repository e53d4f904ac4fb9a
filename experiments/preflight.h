// Whether the trials of a sweep can begin, found out before the first of them trains.
#pragma once

#include <vector>

#include "experiments/sweep.h"

namespace lethe {

/// Makes every stream, every model with fresh weights and every method of the trials once (whatever
/// the seed and the training options), and prepares each method for its first task as a trial
/// would, in a child process: nothing is trained, pretrained or stored, and this process computes
/// nothing. Cost: the streams' loading, and some milliseconds a method. Throws Error with a line
/// for every method that its stream or model can't take, naming all three.
void preflight(const std::vector<Trial>& trials, const StrategyRegistry& registry);

}  // namespace lethe
