#include "core/formats/peft_targets.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace lethe {

std::vector<std::string> lora_targets(const std::string& model_type) {
  static const std::map<std::string, std::vector<std::string>> known = {
      {"gpt2", {"c_attn"}},
      {"opt", {"q_proj", "v_proj"}},
      {"bloom", {"query_key_value"}},
      {"llama", {"q_proj", "v_proj"}},
      {"mistral", {"q_proj", "v_proj"}},
      {"qwen2", {"q_proj", "v_proj"}},
      {"t5", {"q", "v"}},
      {"mt5", {"q", "v"}},
      {"bert", {"query", "value"}}};
  const auto found = known.find(model_type);
  return found == known.end() ? std::vector<std::string>() : found->second;
}

const std::vector<std::string>& ia3_keys_and_values() {
  static const std::vector<std::string> endings = {"k_proj", "v_proj", "k",      "v",
                                                   "key",    "value",  "c_attn", "query_key_value"};
  return endings;
}

const std::vector<std::string>& ia3_feed_forward() {
  static const std::vector<std::string> endings = {"down_proj",     "mlp.c_proj", "fc2",
                                                   "dense_4h_to_h", "wo",         "output.dense"};
  return endings;
}

std::string block_of(const std::string& name) {
  size_t start = 0;
  while (start < name.size()) {
    const size_t end = std::min(name.find('.', start), name.size());
    const std::string part = name.substr(start, end - start);
    if (part.find_first_not_of("0123456789") == std::string::npos) return name.substr(0, end);
    start = end + 1;
  }
  return {};
}

std::vector<std::string> target_names(const std::string& text) {
  std::vector<std::string> names;
  std::stringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');) names.push_back(name);
  return names;
}

std::vector<std::string> skipped_names(const std::string& text) {
  return text == "none" ? std::vector<std::string>() : target_names(text);
}

bool is_target(const std::string& name, const std::vector<std::string>& targets) {
  for (const std::string& target : targets) {
    if (name == target || name.ends_with("." + target)) return true;
  }
  return false;
}

}  // namespace lethe
