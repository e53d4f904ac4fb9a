// An adapter of peft as a part of a model's starting point: `adapter` and `adapter_use` in [model].
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/adapters/learned.h"
#include "core/formats/peft_match.h"
#include "core/models/models.h"
#include "core/trial.h"

namespace lethe {

struct StartAdapterOptions {
  std::string adapter, adapter_use = "merged";
  template <class Visit>
  void fields(Visit&& visit) {
    visit("adapter", adapter, any(), "peft adapter to start from; the trial keeps its digest");
    visit("adapter_use", adapter_use, one_of({"merged", "frozen", "trained"}),
          "merged into the weights, frozen beside them, or itself what is trained");
  }
};

/// The options of a model, of an entry or of the adapter that it starts from.
std::vector<OptionDoc> model_docs(const ModelEntry& entry);
/// ModelEntry::complete, with the adapter's digest in place of its path. The two options are left
/// out where no adapter is given, so that trials without one keep their text.
OptionMap complete_model(const ModelEntry& entry, const OptionMap& given);
/// The model's own part.
Part without_adapter(Part model);

/// Throws Error where an adapter is to be trained and the method brings another.
void check_start_adapter(const OptionMap& model, const std::string& method, bool brings_adapter);

/// Whose modules peft names: the model_type of a folder's config.json, or a decoder's family.
/// Throws Error for a model that peft has no names for.
const PeftFamily& family_of(const Part& model);

/// The adapter that the model starts from; nullopt where it has none. `model` is the part with
/// paths.
std::optional<Learned> start_adapter(const Part& part, Model& model);
/// Puts it on: before the base takes its format where it is merged, else after.
void put_start_adapter(const Part& part, const Learned& start, Model& model, bool before_format);
/// All that the trial's model has beyond its starting weights without the adapter.
Learned learned_since(const Part& part, const std::optional<Learned>& start, Model& model,
                      std::set<std::string> trained);

}  // namespace lethe
