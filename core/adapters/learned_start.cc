// What was learned on top of an adapter that had been merged.
#include "core/adapters/learned.h"
#include "core/bf16_values.h"

namespace lethe {
namespace {

/// Weight and bias of the model as they are; a bias that was trained stays.
void keep_merged(Linear& seam, Learned& learned) {
  const auto kept = [](const Tensor& value) {
    return widened(value.detach()).to(at::kCPU).clone();
  };
  learned.values[seam.name() + ".weight"] = kept(seam.base().dense());
  if (seam.bias().defined()) learned.values.emplace(seam.name() + ".bias", kept(seam.bias()));
}

}  // namespace

Learned on_top_of(Learned learned, const Learned& start, Model& model) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, value] : start.values) learned.values.emplace(name, value);
  for (Linear* seam : model.linears()) {
    const auto before = start.adapters.find(seam->name());
    if (before == start.adapters.end()) continue;
    if (learned.values.count(seam->name() + ".weight") > 0) continue;  // holds what was merged
    const AdapterForm& form = before->second;
    const auto later = learned.adapters.find(seam->name());
    const bool bias_trained = learned.values.count(seam->name() + ".bias") > 0;
    const bool scales_bias = form.kind == AdapterForm::Kind::ia3 && !form.on_input;
    if (later == learned.adapters.end() && !(bias_trained && scales_bias)) {
      learned.adapters[seam->name()] = form;
    } else if (later != learned.adapters.end() && form.kind == AdapterForm::Kind::lora &&
               later->second.kind == AdapterForm::Kind::lora) {
      later->second = joined({form, later->second});
    } else {
      keep_merged(*seam, learned);
    }
  }
  return learned;
}

}  // namespace lethe
