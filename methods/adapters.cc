#include "methods/adapters.h"

#include <algorithm>

#include "core/error.h"
#include "core/formats/peft_targets.h"

namespace lethe {

bool ends_with_one_of(const std::string& name, const std::string& endings) {
  return is_target(name, target_names(endings));
}

std::string seam_names(Model& model) {
  std::vector<std::string> names;
  for (Seam* seam : model.seams()) names.push_back(seam->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<Linear*> targeted(const std::string& method, Model& model, const std::string& targets) {
  std::vector<Linear*> found;
  std::vector<std::string> names;
  for (Linear* seam : model.linears()) {
    names.push_back(seam->name());
    const bool chosen = targets == "all" ? seam->kind() == SeamKind::linear
                                         : ends_with_one_of(seam->name(), targets);
    if (chosen) found.push_back(seam);
  }
  if (!found.empty()) return found;
  if (targets == "all") {
    fail(
        "{} needs an adapter seam, a Linear beside the head, and the model has none: its Linears "
        "are {}; take a model with a hidden layer, or name the head in targets",
        method, fmt::join(names, ", "));
  }
  fail("{}: no Linear ends with one of '{}'; the model has: {}", method, targets,
       fmt::join(names, ", "));
}

bool train_only(Model& model, const std::string& targets, const std::function<bool(Seam&)>& train) {
  model.set_trainable(false);
  bool found = false;
  for (Seam* seam : model.seams()) {
    const bool chosen = targets == "all" || ends_with_one_of(seam->name(), targets);
    if (chosen && train(*seam)) found = true;
  }
  return found;
}

bool train_bias(Seam& seam) {
  bool found = false;
  seam.parameters([&found](const std::string& name, Tensor& value) {
    if (!name.ends_with(".bias")) return;
    value.set_requires_grad(true);
    found = true;
  });
  return found;
}

void train_whole(const std::string& method, Model& model, const std::string& endings,
                 const std::vector<Linear*>& targets) {
  if (endings.empty()) return;
  bool found = false;
  for (Seam* seam : model.seams()) {
    if (!ends_with_one_of(seam->name(), endings)) continue;
    const auto* linear = dynamic_cast<const Linear*>(seam);
    const bool target = std::find(targets.begin(), targets.end(), linear) != targets.end();
    if (linear != nullptr && (target || !linear->adapters().empty())) {
      fail("{}: '{}' is both a target and one of modules_to_save '{}'; name it in one of them",
           method, seam->name(), endings);
    }
    seam->set_trainable(true);
    found = true;
  }
  if (!found) {
    fail("{}: no seam ends with one of modules_to_save '{}'; the model has: {}", method, endings,
         seam_names(model));
  }
}

void require_float(const std::string& method, Linear& seam, const std::string& reason) {
  const std::string format = seam.base().format();
  if (format == "float") return;
  fail("{}: the base of '{}' is {}, but {}; set the model's base = float, or choose qlora", method,
       seam.name(), format, reason);
}

void adapt_targets(const std::string& method, const LowRankOptions& options, Model& model,
                   const std::function<std::shared_ptr<Adapter>(Linear&)>& make) {
  model.set_trainable(false);
  for (Linear* seam : targeted(method, model, options.targets)) {
    seam->add_adapter(make(*seam));
    if (options.bias == "lora_only") train_bias(*seam);
  }
  train_whole(method, model, options.modules_to_save);
  if (options.bias != "all") return;
  for (Seam* seam : model.seams()) train_bias(*seam);
}

}  // namespace lethe
