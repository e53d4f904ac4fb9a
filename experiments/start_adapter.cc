#include "experiments/start_adapter.h"

#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/formats/peft_read.h"

namespace lethe {
namespace {

constexpr const char* kKeys[] = {"adapter", "adapter_use"};

/// Takes the adapter's options out of a model's.
StartAdapterOptions taken(OptionMap& model) {
  OptionMap own;
  for (const char* key : kKeys) {
    const auto found = model.find(key);
    if (found == model.end()) continue;
    own[key] = found->second;
    model.erase(found);
  }
  return parse_options<StartAdapterOptions>("model", own);
}

std::string use_of(const Part& part) {
  const auto found = part.options.find("adapter_use");
  return found == part.options.end() ? "" : found->second;
}

/// Reading an adapter for its digest: once a process and folder.
std::string digest_once(const std::string& folder) {
  static std::map<std::string, std::string> known;
  auto found = known.find(folder);
  if (found == known.end()) found = known.emplace(folder, peft_digest(folder)).first;
  return found->second;
}

}  // namespace

std::vector<OptionDoc> model_docs(const ModelEntry& entry) {
  std::vector<OptionDoc> docs = entry.docs();
  if (!entry.text) return docs;
  for (OptionDoc& doc : option_docs<StartAdapterOptions>()) docs.push_back(std::move(doc));
  return docs;
}

OptionMap complete_model(const ModelEntry& entry, const OptionMap& given) {
  OptionMap model = given;
  if (!entry.text) return entry.complete(model);
  const StartAdapterOptions start = taken(model);
  OptionMap complete = entry.complete(model);
  if (start.adapter.empty()) {
    if (given.count("adapter_use") > 0) {
      fail("option 'adapter_use' of model is {}, but no adapter is given; set model.adapter",
           start.adapter_use);
    }
    return complete;
  }
  complete["adapter"] = digest_once(start.adapter);
  complete["adapter_use"] = start.adapter_use;
  return complete;
}

Part without_adapter(Part model) {
  for (const char* key : kKeys) model.options.erase(key);
  return model;
}

void check_start_adapter(const OptionMap& model, const std::string& method, bool brings_adapter) {
  const auto use = model.find("adapter_use");
  if (!brings_adapter || use == model.end() || use->second != "trained") return;
  fail(
      "method '{}' brings an adapter of its own, and adapter_use = trained trains the one that the "
      "model starts from; choose merged or frozen, or a method without an adapter",
      method);
}

const PeftFamily& family_of(const Part& model) {
  if (model.name == "pretrained") {
    return peft_family(HfConfig::read(model.options.at("path")).model_type());
  }
  const auto family = model.options.find("family");
  if (family == model.options.end()) {
    fail(
        "the model '{}' is not of a family whose modules peft and transformers name; choose the "
        "model 'decoder' or 'pretrained'",
        model.name);
  }
  return peft_family(family->second);
}

std::optional<Learned> start_adapter(const Part& part, Model& model) {
  const auto folder = part.options.find("adapter");
  if (folder == part.options.end()) return std::nullopt;
  return read_peft(folder->second, model, family_of(part)).learned;
}

void put_start_adapter(const Part& part, const Learned& start, Model& model, bool before_format) {
  const std::string use = use_of(part);
  if (before_format != (use == "merged")) return;
  if (use == "trained") {
    model.set_trainable(false);
    attach(model, start);
    train_attached(model, start);
    return;
  }
  if (use == "frozen") return attach(model, start, "start");
  if (start.values.count("prompt_embeddings") > 0) {
    fail("virtual tokens can't be merged into the weights; set adapter_use = frozen or trained");
  }
  attach(model, start);
  for (Linear* seam : model.linears()) seam->merge_adapters();
  model.set_trainable(true);  // merged weights are new ones
}

Learned learned_since(const Part& part, const std::optional<Learned>& start, Model& model,
                      std::set<std::string> trained) {
  if (!start) return learned_of(model, trained);
  if (use_of(part) == "merged") return on_top_of(learned_of(model, trained), *start, model);
  for (const auto& [name, value] : start->values) trained.insert(name);
  return learned_of(model, trained);
}

}  // namespace lethe
