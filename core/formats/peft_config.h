// The settings of an adapter of Hugging Face's peft, adapter_config.json. Free of libtorch.
// Source: peft's checkpoint format (docs/source/developer_guides/checkpoint.md) and its config
// classes, whose defaults hold where a key is absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe {

enum class PeftType { lora, ia3, prompt_tuning, ln_tuning };

/// "LORA", "IA3", "PROMPT_TUNING", "LN_TUNING".
const char* peft_type_name(PeftType type);

/// Modules by name endings, or by one regular expression over the whole path.
struct ModulePattern {
  std::vector<std::string> names;
  std::string expression;  ///< set: `names` is empty; "all-linear" = every Linear but the head
  bool empty() const { return names.empty() && expression.empty(); }
  bool operator==(const ModulePattern&) const = default;
};

/// Values of single modules, by regular expressions; the first that matches counts.
template <class Value>
using ModuleValues = std::vector<std::pair<std::string, Value>>;

struct PeftConfig {
  PeftType type = PeftType::lora;
  std::string task_type, base_model, revision;  ///< empty = null
  bool inference_mode = false;
  ModulePattern target_modules;  ///< empty = null: peft's default for the architecture
  ModulePattern exclude_modules;
  std::vector<std::string> modules_to_save;
  bool fan_in_fan_out = false;  ///< the base keeps its products as (in, out): GPT-2's Conv1D

  int64_t rank = 8;  ///< of lora, as all until layers_pattern
  double alpha = 8, dropout = 0;
  bool rslora = false, dora = false;
  std::string bias = "none";  ///< "none", "all", "lora_only"
  ModuleValues<int64_t> rank_pattern;
  ModuleValues<double> alpha_pattern;
  std::optional<std::vector<int64_t>> layers_to_transform;
  std::vector<std::string> layers_pattern;

  ModulePattern feedforward_modules;  ///< of ia3

  int64_t virtual_tokens = 0;  ///< of prompt tuning, as all that follow
  int64_t token_width = 0, layers = 0, heads = 0;

  bool operator==(const PeftConfig&) const = default;
};

/// Unknown keys are left unread. Throws Error that names `path`, the key, its value and what was
/// expected, for: bad JSON, an unknown peft_type, a value of the wrong type or out of range, and a
/// setting that changes what the adapter computes in a way that is not supported.
PeftConfig parse_peft_config(const std::string& text, const std::string& path);
/// Of the file adapter_config.json in `folder`.
PeftConfig read_peft_config(const std::string& folder);

/// Indented JSON with every key that peft needs or looks at, sorted; reads back to an equal config.
std::string peft_config_text(const PeftConfig& config);

}  // namespace lethe
