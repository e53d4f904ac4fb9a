#include "core/formats/peft_targets.h"

#include <map>

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

bool is_target(const std::string& name, const std::vector<std::string>& targets) {
  for (const std::string& target : targets) {
    if (name == target || name.ends_with("." + target)) return true;
  }
  return false;
}

}  // namespace lethe
