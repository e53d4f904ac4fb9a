// What a reader of a comparison must know beside its numbers, and how it is headed.
#pragma once

#include <vector>

#include "analysis/comparison.h"
#include "analysis/method_trials.h"

namespace lethe {

/// Adds to the notes: failed trials with their errors, trials still running, seeds that one method
/// lacks and another has, methods with one seed (no interval), metrics measured for fewer seeds
/// than finished, a missing finetune, timings taken under different environments, what streams said
/// about their rows, what the strengths of penalties multiply, and where those of one strategy are
/// not comparable.
void add_notes(const std::vector<MethodTrials>& methods, Comparison& comparison);

/// Titles "STREAM with MODEL", with the device class and the build where comparisons differ in
/// them, and a note in each where the results of several builds stand side by side.
void add_titles(std::vector<Comparison>& comparisons);

}  // namespace lethe
