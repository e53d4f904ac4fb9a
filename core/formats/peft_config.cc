#include "core/formats/peft_config.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"

namespace lethe {
namespace {

using Json = nlohmann::ordered_json;  // the order of rank_pattern's keys counts

constexpr std::pair<PeftType, const char*> kTypes[] = {{PeftType::lora, "LORA"},
                                                       {PeftType::ia3, "IA3"},
                                                       {PeftType::prompt_tuning, "PROMPT_TUNING"},
                                                       {PeftType::ln_tuning, "LN_TUNING"}};

/// Settings under which the adapter computes something else than is written here; each has to be
/// absent, null, false or empty.
const char* const kUnsupported[] = {"alora_invocation_tokens",
                                    "arrow_config",
                                    "kasa_config",
                                    "layer_replication",
                                    "lora_bias",
                                    "lora_ga_config",
                                    "monteclora_config",
                                    "target_parameters",
                                    "trainable_token_indices",
                                    "use_bdlora",
                                    "use_qalora"};

/// Initialisations that rewrite the base's weights, also when the adapter is loaded.
const char* const kRewriting[] = {"pissa", "olora", "corda", "loftq"};

class Reader {
 public:
  Reader(const Json& all, const std::string& path) : all_(all), path_(path) {}

  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const {
    fail("{}: {} is {}, expected {}", path_, key, at(key).dump(), expected);
  }

  const Json& at(const std::string& key) const {
    static const Json kNull;
    const auto found = all_.find(key);
    return found == all_.end() ? kNull : *found;
  }

  /// Null, or no such key.
  bool absent(const std::string& key) const { return at(key).is_null(); }

  void text(const std::string& key, std::string& into) const {
    if (absent(key)) return;
    if (!at(key).is_string()) refuse(key, "text or null");
    into = at(key).get<std::string>();
  }
  void flag(const std::string& key, bool& into) const {
    if (absent(key)) return;
    if (!at(key).is_boolean()) refuse(key, "true or false");
    into = at(key).get<bool>();
  }
  void number(const std::string& key, double& into, double low) const {
    if (absent(key)) return;
    if (!at(key).is_number() || !(at(key).get<double>() >= low)) {
      refuse(key, fmt::format("a number from {} on", low));
    }
    into = at(key).get<double>();
  }
  void count(const std::string& key, int64_t& into, int64_t low) const {
    if (absent(key)) return;
    into = whole(key, at(key), low);
  }

  int64_t whole(const std::string& key, const Json& value, int64_t low) const {
    constexpr int64_t kMost = int64_t{1} << 40;
    if (!value.is_number_integer() || value.get<double>() > double{kMost} ||
        value.get<int64_t>() < low) {
      refuse(key, fmt::format("whole numbers from {} on", low));
    }
    return value.get<int64_t>();
  }

  std::vector<std::string> texts(const std::string& key, const char* expected) const {
    std::vector<std::string> found;
    if (absent(key)) return found;
    if (at(key).is_string()) return {at(key).get<std::string>()};
    if (!at(key).is_array()) refuse(key, expected);
    for (const Json& item : at(key)) {
      if (!item.is_string()) refuse(key, expected);
      found.push_back(item.get<std::string>());
    }
    return found;
  }

  ModulePattern pattern(const std::string& key) const {
    if (at(key).is_string()) return {{}, at(key).get<std::string>()};
    return {texts(key, "a list of names, or one regular expression"), ""};
  }

  template <class Value, class Take>
  void by_module(const std::string& key, ModuleValues<Value>& into, Take&& take) const {
    if (absent(key)) return;
    if (!at(key).is_object()) refuse(key, "an object of numbers by module");
    for (const auto& [module, value] : at(key).items()) into.emplace_back(module, take(value));
  }

 private:
  const Json& all_;
  const std::string& path_;
};

PeftType type_of(const Reader& reader) {
  std::vector<std::string> known;
  for (const auto& [type, name] : kTypes) {
    if (reader.at("peft_type") == name) return type;
    known.emplace_back(name);
  }
  reader.refuse("peft_type", fmt::format("one of {}", fmt::join(known, ", ")));
}

void check_supported(const Reader& reader) {
  for (const char* key : kUnsupported) {
    const Json& value = reader.at(key);
    const bool off = value.is_null() || value == false || (value.is_structured() && value.empty());
    if (!off) reader.refuse(key, "none: this setting is not supported");
  }
  const Json& initial = reader.at("init_lora_weights");
  if (!initial.is_string()) return;
  for (const char* name : kRewriting) {
    if (initial.get<std::string>().rfind(name, 0) != 0) continue;
    reader.refuse(
        "init_lora_weights",
        "a start that leaves the base's weights as they are; write the adapter again with "
        "save_pretrained(..., path_initial_model_for_weight_conversion=...)");
  }
}

void read_lora(const Reader& reader, PeftConfig& config) {
  reader.count("r", config.rank, 1);
  reader.number("lora_alpha", config.alpha, 0);
  reader.number("lora_dropout", config.dropout, 0);
  if (config.dropout >= 1) reader.refuse("lora_dropout", "a number below 1");
  reader.flag("use_rslora", config.rslora);
  reader.flag("use_dora", config.dora);
  reader.text("bias", config.bias);
  if (config.bias != "none" && config.bias != "all" && config.bias != "lora_only") {
    reader.refuse("bias", "none, all or lora_only");
  }
  reader.by_module("rank_pattern", config.rank_pattern,
                   [&](const Json& value) { return reader.whole("rank_pattern", value, 1); });
  reader.by_module("alpha_pattern", config.alpha_pattern, [&](const Json& value) {
    if (!value.is_number()) reader.refuse("alpha_pattern", "an object of numbers by module");
    return value.get<double>();
  });
  config.layers_pattern = reader.texts("layers_pattern", "a name or a list of names");
  const Json& layers = reader.at("layers_to_transform");
  if (layers.is_null()) return;
  config.layers_to_transform.emplace();
  const auto add = [&](const Json& layer) {
    config.layers_to_transform->push_back(reader.whole("layers_to_transform", layer, 0));
  };
  if (!layers.is_array()) return add(layers);
  for (const Json& layer : layers) add(layer);
}

void read_prompt(const Reader& reader, PeftConfig& config) {
  if (reader.absent("num_virtual_tokens")) {
    reader.refuse("num_virtual_tokens", "the number of virtual tokens");
  }
  reader.count("num_virtual_tokens", config.virtual_tokens, 1);
  reader.count("token_dim", config.token_width, 1);
  reader.count("num_layers", config.layers, 1);
  reader.count("num_attention_heads", config.heads, 1);
  int64_t submodules = config.task_type == "SEQ_2_SEQ_LM" ? 2 : 1;  // peft's, where none is said
  reader.count("num_transformer_submodules", submodules, 1);
  if (submodules == 1) return;
  reader.refuse("num_transformer_submodules",
                "1, a prompt before the source alone (null is 2 for SEQ_2_SEQ_LM); train with "
                "num_transformer_submodules = 1");
}

}  // namespace

const char* peft_type_name(PeftType type) {
  for (const auto& [known, name] : kTypes) {
    if (known == type) return name;
  }
  return "";
}

PeftConfig parse_peft_config(const std::string& text, const std::string& path) {
  Json all;
  try {
    all = Json::parse(text);
  } catch (const Json::exception& error) {
    fail("{} is no valid JSON; fetch or write it again", path);
  }
  if (!all.is_object()) fail("{} holds no JSON object; fetch or write it again", path);
  const Reader reader(all, path);
  PeftConfig config;
  config.type = type_of(reader);
  check_supported(reader);
  reader.text("task_type", config.task_type);
  reader.text("base_model_name_or_path", config.base_model);
  reader.text("revision", config.revision);
  reader.flag("inference_mode", config.inference_mode);
  reader.flag("fan_in_fan_out", config.fan_in_fan_out);
  config.target_modules = reader.pattern("target_modules");
  config.exclude_modules = reader.pattern("exclude_modules");
  config.modules_to_save = reader.texts("modules_to_save", "a list of names");
  if (config.type == PeftType::lora) read_lora(reader, config);
  if (config.type == PeftType::ia3)
    config.feedforward_modules = reader.pattern("feedforward_modules");
  if (config.type == PeftType::prompt_tuning) read_prompt(reader, config);
  return config;
}

PeftConfig read_peft_config(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "adapter_config.json").string();
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    fail("{} can't be read; give a folder with adapter_config.json and adapter_model.safetensors",
         path);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return parse_peft_config(text.str(), path);
}

}  // namespace lethe
