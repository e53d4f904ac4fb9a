// The trials of one method within one comparison.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/trial.h"

namespace lethe {

/// Trials of one label that may be pooled over seeds.
struct MethodTrials {
  std::string label;
  std::map<int64_t, const TrialRecord*> done;    ///< by seed
  std::map<int64_t, const TrialRecord*> failed;  ///< by seed, those without a finished trial
  int64_t unfinished = 0;
};

/// Trials grouped by label in order of first appearance. Where one label and seed have several
/// trials with different canonical texts, the label's trials are split by text (the seed's own line
/// apart): the set that appeared last keeps the label, the others come after it as "LABEL
/// (earlier)", "LABEL (earlier 2)" from the newest to the oldest. A trial that is listed twice (it
/// belongs to two sweeps) counts once. `notes` gains a line on each split, and on each pooled label
/// whose texts differ, with what differs.
std::vector<MethodTrials> group_by_method(const std::vector<const TrialRecord*>& trials,
                                          std::vector<std::string>& notes);

}  // namespace lethe
