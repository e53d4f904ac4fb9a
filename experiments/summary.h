// The short table that `lethe run` ends with; the report has the rest.
#pragma once

#include <string>
#include <vector>

#include "analysis/comparison.h"

namespace lethe {

/// One block a comparison, one line a method: mean and half width of the main scores, memory, time.
std::string summary_text(const std::vector<Comparison>& comparisons);

}  // namespace lethe
