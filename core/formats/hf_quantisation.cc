#include "core/formats/hf_quantisation.h"

#include <algorithm>
#include <cmath>

#include "core/formats/peft_match.h"

namespace lethe {
namespace {

constexpr const char* kWhole = "quantization_config";

std::string config_key(const char* member) { return std::string(kWhole) + "." + member; }

constexpr const char* kInstead =
    "load the float weights and set base = \"nf4\" or \"int8\" to quantise them";

/// Whether bitsandbytes wrote 8-bit weights, else 4-bit ones. Old files name no method.
bool is_eight_bit(const HfConfig& config) {
  const HfConfig::Keys method = {config_key("quant_method")};
  if (config.text(method, "bitsandbytes") != "bitsandbytes") {
    config.refuse(method, std::string("bitsandbytes: ") + kInstead);
  }
  const HfConfig::Keys four = {config_key("load_in_4bit"), config_key("_load_in_4bit")};
  const HfConfig::Keys eight = {config_key("load_in_8bit"), config_key("_load_in_8bit")};
  const bool is_four = config.flag(four, false), is_eight = config.flag(eight, false);
  if (is_four == is_eight) {
    config.refuse({kWhole},
                  std::string("one with either load_in_8bit or load_in_4bit: ") + kInstead);
  }
  return is_eight;
}

void read_int8_settings(const HfConfig& config, StoredQuantisation& stored) {
  const HfConfig::Keys half = {config_key("llm_int8_has_fp16_weight")};
  if (config.flag(half, false)) {
    config.refuse(half,
                  "false: weights in float16 are no int8 weights; leave quantization_config "
                  "out and set base = \"int8\"");
  }
  stored.base = "int8";
  const HfConfig::Keys threshold = {config_key("llm_int8_threshold")};
  stored.threshold = static_cast<float>(config.number(threshold, 6));
  if (!std::isfinite(stored.threshold) || stored.threshold < 0) {
    config.refuse(threshold, "a number from 0 on, 0 = no outliers");
  }
}

void read_four_bit_settings(const HfConfig& config, StoredQuantisation& stored) {
  const HfConfig::Keys type = {config_key("bnb_4bit_quant_type")};
  stored.base = config.text(type, "fp4");  // transformers' default
  if (stored.base != "nf4" && stored.base != "fp4") config.refuse(type, "nf4 or fp4");
  if (config.flag({config_key("bnb_4bit_use_double_quant")}, false)) stored.base += "-dq";
}

}  // namespace

bool StoredQuantisation::skips(const std::string& module) const {
  return std::any_of(skipped.begin(), skipped.end(), [&](const std::string& name) {
    return (module + ".").find(name + ".") != std::string::npos;
  });
}

std::optional<StoredQuantisation> stored_quantisation(const HfConfig& config) {
  if (!config.has({kWhole})) return std::nullopt;
  StoredQuantisation stored;
  if (is_eight_bit(config)) {
    read_int8_settings(config, stored);
  } else {
    read_four_bit_settings(config, stored);
  }
  stored.skipped = config.names({config_key("llm_int8_skip_modules")});
  for (const std::string& name : stored.skipped) {
    if (name.empty()) config.refuse({config_key("llm_int8_skip_modules")}, "names of modules");
  }
  for (const std::string& name : peft_family(config.model_type()).kept_float) {
    stored.skipped.push_back(name);
  }
  return stored;
}

}  // namespace lethe
