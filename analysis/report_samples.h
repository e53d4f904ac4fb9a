// Which generated texts a report shows: rows whose history tells of forgetting come first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/trial.h"

namespace lethe {

/// What became of a row of task j: before learning j, right after it, and at the last stage seen.
/// In the order in which a report prefers them.
enum class Fate : uint8_t {
  learned_and_lost,  ///< wrong before, right after learning, wrong at a later stage
  known_and_lost,    ///< right after learning, wrong later; right before too, or not seen before
  learned_and_kept,  ///< wrong before, right after learning and at every later stage
  never_learned,     ///< wrong after learning
  always_right,      ///< right wherever seen
};
const char* fate_text(Fate fate);

struct SampleStage {
  int64_t after_task = 0;
  std::string generated;
  bool right = false;  ///< equal to the expected text but for spaces at both ends
};

struct SampleHistory {
  int64_t on_task = 0, row = 0;
  Fate fate = Fate::always_right;
  std::string prompt, expected;
  std::vector<SampleStage> stages;  ///< by after_task
};

/// Up to `per_task` rows of each task, tasks in order, within a task by fate, then by row.
std::vector<SampleHistory> choose_samples(const std::vector<Sample>& samples, size_t per_task);

}  // namespace lethe
