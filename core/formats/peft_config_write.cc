// adapter_config.json as text.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/formats/peft_config.h"

namespace lethe {
namespace {

using Json = nlohmann::ordered_json;

template <class Value>
Json or_null(const Value& value, bool null) {
  return null ? Json(nullptr) : Json(value);
}

Json json_of(const ModulePattern& pattern) {
  if (!pattern.expression.empty()) return pattern.expression;
  return or_null(pattern.names, pattern.names.empty());
}

/// 8, where 8.0 would be as right: peft's own files hold whole numbers.
Json number(double value) {
  const bool whole = std::floor(value) == value && std::abs(value) < 1e15;
  return whole ? Json(static_cast<int64_t>(value)) : Json(value);
}

void write_lora(const PeftConfig& config, Json& all) {
  all["alpha_pattern"] = Json::object();
  for (const auto& [module, value] : config.alpha_pattern) {
    all["alpha_pattern"][module] = number(value);
  }
  all["bias"] = config.bias;
  all["init_lora_weights"] = true;
  all["layers_pattern"] = or_null(config.layers_pattern, config.layers_pattern.empty());
  all["layers_to_transform"] =
      config.layers_to_transform ? Json(*config.layers_to_transform) : Json(nullptr);
  all["lora_alpha"] = number(config.alpha);
  all["lora_dropout"] = config.dropout;
  all["r"] = config.rank;
  all["rank_pattern"] = Json::object();
  for (const auto& [module, value] : config.rank_pattern) all["rank_pattern"][module] = value;
  all["use_dora"] = config.dora;
  all["use_rslora"] = config.rslora;
}

void write_prompt(const PeftConfig& config, Json& all) {
  all["num_attention_heads"] = or_null(config.heads, config.heads == 0);
  all["num_layers"] = or_null(config.layers, config.layers == 0);
  all["num_transformer_submodules"] = 1;
  all["num_virtual_tokens"] = config.virtual_tokens;
  all["prompt_tuning_init"] = "RANDOM";
  all["prompt_tuning_init_text"] = nullptr;
  all["token_dim"] = or_null(config.token_width, config.token_width == 0);
  all["tokenizer_name_or_path"] = nullptr;
}

}  // namespace

std::string peft_config_text(const PeftConfig& config) {
  Json all;
  all["peft_type"] = peft_type_name(config.type);
  all["base_model_name_or_path"] = or_null(config.base_model, config.base_model.empty());
  all["revision"] = or_null(config.revision, config.revision.empty());
  all["task_type"] = or_null(config.task_type, config.task_type.empty());
  all["inference_mode"] = config.inference_mode;
  all["auto_mapping"] = nullptr;
  if (config.type == PeftType::prompt_tuning) {
    write_prompt(config, all);
  } else {
    all["target_modules"] = json_of(config.target_modules);
    all["exclude_modules"] = json_of(config.exclude_modules);
    all["modules_to_save"] = or_null(config.modules_to_save, config.modules_to_save.empty());
  }
  if (config.type == PeftType::lora || config.type == PeftType::ia3) {
    all["fan_in_fan_out"] = config.fan_in_fan_out;
  }
  if (config.type == PeftType::lora) write_lora(config, all);
  if (config.type == PeftType::ia3) {
    all["feedforward_modules"] = config.feedforward_modules.expression.empty()
                                     ? Json(config.feedforward_modules.names)
                                     : Json(config.feedforward_modules.expression);
    all["init_ia3_weights"] = true;
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : all.items()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  Json sorted;
  for (const std::string& key : keys) sorted[key] = all[key];
  return sorted.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lethe
