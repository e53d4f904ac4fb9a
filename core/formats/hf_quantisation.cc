#include "core/formats/hf_quantisation.h"

#include <algorithm>
#include <cmath>

#include "core/formats/peft_match.h"

namespace lethe {
namespace {

constexpr const char* kWhole = "quantization_config";

std::string config_key(const char* member) { return std::string(kWhole) + "." + member; }

/// Only LLM.int8() of bitsandbytes. Old files name no method.
void check_method(const HfConfig& config) {
  const std::string instead =
      "load the float weights and set base = \"nf4\" or \"int8\" to quantise them";
  const HfConfig::Keys method = {config_key("quant_method")};
  if (config.text(method, "bitsandbytes") != "bitsandbytes") {
    config.refuse(method, "bitsandbytes, with load_in_8bit: " + instead);
  }
  const HfConfig::Keys four = {config_key("load_in_4bit"), config_key("_load_in_4bit")};
  if (config.flag(four, false)) config.refuse(four, "false: " + instead);
  const HfConfig::Keys eight = {config_key("load_in_8bit"), config_key("_load_in_8bit")};
  if (!config.flag(eight, false)) config.refuse({kWhole}, "one with load_in_8bit: " + instead);
  const HfConfig::Keys half = {config_key("llm_int8_has_fp16_weight")};
  if (config.flag(half, false)) {
    config.refuse(half,
                  "false: weights in float16 are no int8 weights; leave quantization_config "
                  "out and set base = \"int8\"");
  }
}

}  // namespace

bool StoredQuantisation::skips(const std::string& module) const {
  return std::any_of(skipped.begin(), skipped.end(), [&](const std::string& name) {
    return (module + ".").find(name + ".") != std::string::npos;
  });
}

std::optional<StoredQuantisation> stored_quantisation(const HfConfig& config) {
  if (!config.has({kWhole})) return std::nullopt;
  check_method(config);
  StoredQuantisation stored;
  stored.base = "int8";
  const HfConfig::Keys threshold = {config_key("llm_int8_threshold")};
  stored.threshold = static_cast<float>(config.number(threshold, 6));
  if (!std::isfinite(stored.threshold) || stored.threshold < 0) {
    config.refuse(threshold, "a number from 0 on, 0 = no outliers");
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
