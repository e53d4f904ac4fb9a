#include "experiments/grounds.h"

#include "experiments/runner.h"

namespace lethe {

Ground& Grounds::of(const Trial& trial) {
  TrialSpec spec;
  spec.stream = trial.spec.stream;
  spec.model.name = trial.model.name;
  spec.model.options["rows"] =
      fmt::format("{} {}", static_cast<int>(trial.stream.rows.form), trial.stream.rows.start_id);
  const std::string key = canonical_text(spec);
  const StreamEntry& entry = stream_entry(trial.stream.name);
  auto& kept = entry.text ? text_ : image_;
  const auto known = kept.find(key);
  if (known != kept.end()) return known->second;
  image_.clear();  // trials of one stream stand together
  TaskStream stream = entry.make(trial.stream, trial.spec.seed);
  const ModelShape shape = shape_for(stream, trial.model.name);
  return kept.emplace(key, Ground{std::move(stream), shape}).first->second;
}

}  // namespace lethe
