#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/formats/checkpoint.h"
#include "core/formats/hf_quantisation.h"
#include "core/models/tensor_shapes.h"
#include "experiments/inspect.h"
#include "experiments/with_commas.h"

namespace lethe {
namespace {

constexpr int64_t kRank = 8;

std::string group_of(const std::string& name) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (has("lm_head") || has("score.") || has("classifier") || has("pooler")) return "head";
  if (has("norm") || has("ln_") || has("LayerNorm")) return "norms";
  if (has("attn.") || has("ttention.")) return "attention";
  const bool table = has("embed") || has("wte") || has("wpe") || has("shared.");
  return table || has("project_") ? "embeddings" : "mlp";
}

/// Those of `names` that are in the folder, "*" for any number in a shard's name.
std::vector<std::string> there(const std::string& folder, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (std::filesystem::exists(std::filesystem::path(folder) / name)) found.push_back(name);
  }
  return found;
}

/// The commonest type of the weights and biases in a folder's safetensors, as config.json would
/// name it. Tensors that hold codes, scales and masks don't count.
std::string stored_dtype(const std::string& folder) {
  static const std::map<std::string, std::string> names = {
      {"BF16", "bfloat16"}, {"F16", "float16"}, {"F32", "float32"}, {"F64", "float64"}};
  std::map<std::string, int64_t> counts;
  const Checkpoint checkpoint(folder);
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (!name.ends_with(".weight") && !name.ends_with(".bias")) continue;
    const auto known = names.find(tensor.dtype);
    if (known != names.end()) ++counts[known->second];
  }
  if (counts.empty()) return "float32";
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

FolderFacts folder_facts(const std::string& folder) {
  const HfConfig config = HfConfig::read(folder);
  FolderFacts facts;
  const std::vector<TensorShape> shapes = tensor_shapes(config);
  facts.model_type = config.model_type();
  const std::vector<std::string> architectures = config.architectures();
  facts.architecture = architectures.empty() ? facts.model_type : architectures[0];
  facts.weights = there(folder, {"model.safetensors", "model.safetensors.index.json",
                                 "pytorch_model.bin", "pytorch_model.bin.index.json"});
  const HfConfig::Keys dtype = {"torch_dtype", "dtype"};
  const bool headers = !facts.weights.empty() && facts.weights[0].starts_with("model.safetensors");
  facts.dtype =
      !config.has(dtype) && headers ? stored_dtype(folder) : config.text(dtype, "float32");
  if (const auto stored = stored_quantisation(config)) {
    const std::string outliers =
        stored->base == "int8" ? fmt::format(", outliers from {}", stored->threshold) : "";
    facts.dtype =
        fmt::format("{} (bitsandbytes{}), the rest {}", stored->base, outliers, facts.dtype);
  }
  facts.targets = lora_targets(facts.model_type);
  facts.groups = {{"embeddings", 0}, {"attention", 0}, {"mlp", 0}, {"norms", 0}, {"head", 0}};
  for (const TensorShape& tensor : shapes) {
    const auto group = std::find_if(
        facts.groups.begin(), facts.groups.end(),
        [name = group_of(tensor.name)](const auto& known) { return known.first == name; });
    group->second += tensor.elements();
    facts.parameters += tensor.elements();
    const bool weight = tensor.name.ends_with(".weight") && tensor.shape.size() == 2;
    if (!weight || !is_target(tensor.name.substr(0, tensor.name.size() - 7), facts.targets)) {
      continue;
    }
    ++facts.adapted;
    facts.adapter_size += kRank * (tensor.shape[0] + tensor.shape[1]);
  }
  facts.tied = facts.groups.back().second == 0;
  facts.tokenizer =
      there(folder, {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json",
                     "merges.txt", "vocab.txt", "tokenizer_config.json"});
  return facts;
}

std::string facts_text(const std::string& folder, const FolderFacts& facts) {
  std::string text = fmt::format("{}\n", folder);
  const auto line = [&text](const std::string& name, const std::string& value) {
    text += fmt::format("  {:<14} {}\n", name, value);
  };
  line("architecture", fmt::format("{} ({})", facts.architecture, facts.model_type));
  line("dtype", facts.dtype);
  line("parameters", with_commas(facts.parameters));
  for (const auto& [name, count] : facts.groups) {
    const bool tied = name == "head" && facts.tied;
    line("  " + name, tied ? "0 (the embeddings are the head)" : with_commas(count));
  }
  const double share = 100.0 * static_cast<double>(facts.adapter_size) /
                       static_cast<double>(facts.parameters + facts.adapter_size);
  line("lora, rank 8",
       fmt::format("{} parameters ({:.2f} %) in {} modules: {}", with_commas(facts.adapter_size),
                   share, facts.adapted, listed(facts.targets)));
  line("weights", listed(facts.weights));
  line("tokenizer", listed(facts.tokenizer));
  return text;
}

int inspect_command(const std::string& folder) {
  fmt::print("{}", facts_text(folder, folder_facts(folder)));
  return 0;
}

}  // namespace lethe
