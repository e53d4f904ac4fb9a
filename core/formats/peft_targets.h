// Which modules PEFT adapts where a user names none. Free of libtorch.
#pragma once

#include <string>
#include <vector>

namespace lethe {

/// PEFT's default target modules of LoRA for a model_type (peft/utils/constants.py): "c_attn" of
/// gpt2, "q_proj" and "v_proj" of llama. Empty where it has none.
std::vector<std::string> lora_targets(const std::string& model_type);

/// Whether the module `name`, a path with dots, is one of `targets` or ends in ".TARGET".
bool is_target(const std::string& name, const std::vector<std::string>& targets);

}  // namespace lethe
