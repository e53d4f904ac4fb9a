// How a trial trained, told from its canonical text. No libtorch.
#pragma once

#include <cstddef>
#include <string>

#include "analysis/comparison.h"

namespace lethe {

/// Updates and optimiser of a trial with `tasks` tasks, from the `train.` lines of its canonical
/// text: "2000 steps a task (10000 in all), batch 128, adam, lr 0.001". Where epochs count, their
/// number stands in place of the steps. Accumulation, momentum, a state that is not reset between
/// tasks, a schedule, warm-up, clipping and weight decay are told where they are used; "" where the
/// text has no such lines.
std::string trained_as(const std::string& canonical_text, size_t tasks);

/// The settings of a comparison's methods, the commonest first and without names, the others with
/// the methods that have them: "TEXT; joint: TEXT".
std::string training_of(const Comparison& comparison);

}  // namespace lethe
