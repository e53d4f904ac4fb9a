// The streams of trials that are looked at before they run.
#pragma once

#include <map>
#include <string>

#include "core/models/models.h"
#include "core/task.h"
#include "experiments/sweep.h"

namespace lethe {

/// A stream, and the shape that a model has on it.
struct Ground {
  TaskStream stream;
  ModelShape shape;
};

/// Opens each stream once for all trials on it; rows depend on the model too, whose tokenizer may
/// make them.
class Grounds {
 public:
  /// The trial's, with the rows that its seed gives; trials that differ in nothing but their seed
  /// have one. Valid until the next call: images are large, so that only text stays.
  Ground& of(const Trial& trial);

 private:
  std::map<std::string, Ground> text_;
  std::map<std::string, Ground> image_;  // at most one
};

/// The trial's text, whatever its seed: what makes two trials one to look at. Of its training
/// options only those that `counts` holds for.
template <class Counts>
std::string seedless_text(const Trial& trial, const Counts& counts) {
  TrialSpec spec = trial.spec;
  spec.seed = 0;
  std::erase_if(spec.training, [&](const auto& option) { return !counts(option.first); });
  return canonical_text(spec);
}

}  // namespace lethe
