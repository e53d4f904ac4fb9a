// Learning rate within a task.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// The factor on the learning rate for 0-based `step` of `steps`: rises linearly over the first
/// `warmup` fraction, then "constant" 1, "linear" down to 0 or "cosine" down to 0 (Loshchilov &
/// Hutter 2017, arXiv:1608.03983, one cycle). The first step of a warm-up is above 0, the last step
/// of a decay too.
double schedule_factor(const std::string& schedule, double warmup, int64_t step, int64_t steps);

}  // namespace lethe
