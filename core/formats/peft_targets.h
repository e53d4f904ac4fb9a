// Modules by name: which ones adapters take where a user names none, and their blocks. Free of
// libtorch.
#pragma once

#include <string>
#include <vector>

namespace lethe {

/// PEFT's default target modules of LoRA for a model_type (peft/utils/constants.py): "c_attn" of
/// gpt2, "q_proj" and "v_proj" of llama. Empty where it has none.
std::vector<std::string> lora_targets(const std::string& model_type);

/// Name endings of the Linears whose output, or input, (IA)^3 scales (methods/ia3.cc says why
/// these).
const std::vector<std::string>& ia3_keys_and_values();
const std::vector<std::string>& ia3_feed_forward();

/// "h.0" of "h.0.attn.c_attn": the name up to its first number; empty without one.
std::string block_of(const std::string& name);

/// The names between the commas of `text`.
std::vector<std::string> target_names(const std::string& text);
/// The same of an option `skip`; none for "none".
std::vector<std::string> skipped_names(const std::string& text);

/// Whether the module `name`, a path with dots, is one of `targets` or ends in ".TARGET".
bool is_target(const std::string& name, const std::vector<std::string>& targets);

}  // namespace lethe
