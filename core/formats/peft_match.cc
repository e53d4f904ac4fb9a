#include "core/formats/peft_match.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <regex>
#include <set>

#include "core/error.h"

namespace lethe {
namespace {

const std::vector<PeftFamily>& families() {
  using Names = std::vector<std::string>;
  const Names llama_norms = {"input_layernorm", "post_attention_layernorm", "norm"};
  const Names llama_ia3 = {"k_proj", "v_proj", "down_proj"};
  const auto llama_like = [&](const std::string& type) {
    return PeftFamily{type,      "model.",      "CAUSAL_LM", {}, {"q_proj", "v_proj"},
                      llama_ia3, {"down_proj"}, llama_norms};
  };
  const Names t5_norms = {"layer_norm", "final_layer_norm"};
  static const std::vector<PeftFamily> known = {
      {"bert",
       "bert.",
       "SEQ_CLS",
       {},
       {"query", "value"},
       {"key", "value", "output.dense"},
       {"output.dense"},
       {"LayerNorm"}},
      {"bloom",
       "transformer.",
       "CAUSAL_LM",
       {},
       {"query_key_value"},
       {"query_key_value", "mlp.dense_4h_to_h"},
       {"mlp.dense_4h_to_h"},
       {"input_layernorm", "post_attention_layernorm", "ln_f"}},
      {"gpt2",
       "transformer.",
       "CAUSAL_LM",
       {"c_attn", "c_proj", "c_fc"},
       {"c_attn"},
       {"c_attn", "mlp.c_proj"},
       {"mlp.c_proj"},
       {"ln_1", "ln_2", "ln_f"}},
      llama_like("llama"),
      llama_like("mistral"),
      {"mt5", "", "SEQ_2_SEQ_LM", {}, {"q", "v"}, {"k", "v", "wi_1"}, {}, t5_norms, {"wo"}},
      {"opt",
       "model.",
       "CAUSAL_LM",
       {},
       {"q_proj", "v_proj"},
       {"q_proj", "k_proj", "fc2"},
       {"fc2"},
       {"self_attn_layer_norm", "final_layer_norm"}},
      llama_like("qwen2"),
      {"t5", "", "SEQ_2_SEQ_LM", {}, {"q", "v"}, {"k", "v", "wo"}, {"wo"}, t5_norms, {"wo"}}};
  return known;
}

std::regex compiled(const std::string& expression) {
  try {
    return std::regex(expression, std::regex::ECMAScript);
  } catch (const std::regex_error&) {
    fail(
        "'{}' of adapter_config.json is no regular expression; expected names or one that can be "
        "read",
        expression);
  }
}

bool whole_match(const std::string& path, const std::string& expression) {
  return std::regex_match(path, compiled(expression));
}

bool matches(const ModulePattern& pattern, const std::string& path) {
  if (!pattern.expression.empty()) return whole_match(path, pattern.expression);
  return std::any_of(pattern.names.begin(), pattern.names.end(),
                     [&](const std::string& name) { return has_ending(path, name); });
}

bool ends_with_any(const std::string& path, const std::vector<std::string>& endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](const std::string& ending) { return path.ends_with(ending); });
}

bool all_linear(const ModulePattern& pattern) {
  std::string lower = pattern.expression;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower == "all-linear";
}

template <class Value>
Value value_of(const ModuleValues<Value>& pattern, const std::string& path, Value otherwise) {
  for (const auto& [expression, value] : pattern) {
    if (whole_match(path, "(?:.*\\.)?(?:" + expression + ")")) return value;
  }
  return otherwise;
}

}  // namespace

const PeftFamily& peft_family(const std::string& model_type) {
  std::vector<std::string> names;
  for (const PeftFamily& family : families()) {
    if (family.model_type == model_type) return family;
    names.push_back(family.model_type);
  }
  fail("adapters of the architecture '{}' are not known; known: {}", model_type,
       fmt::join(names, ", "));
}

bool has_ending(const std::string& path, const std::string& ending) {
  if (path == ending) return true;
  return path.size() > ending.size() && path.ends_with("." + ending);
}

std::string module_path(const PeftFamily& family, const std::string& name, bool head) {
  return head || name.starts_with(family.prefix) ? name : family.prefix + name;
}

std::vector<std::string> shortest_names(
    const std::vector<std::string>& all, const std::vector<std::string>& chosen,
    const std::function<bool(const std::string&, const std::string&)>& reaches) {
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  std::set<std::string> names;
  for (const std::string& path : wanted) {
    std::string name = path;
    for (size_t dot = path.rfind('.'); dot != std::string::npos && dot > 0;
         dot = path.rfind('.', dot - 1)) {
      const std::string ending = path.substr(dot + 1);
      const bool exact = std::all_of(all.begin(), all.end(), [&](const std::string& other) {
        return wanted.count(other) > 0 || !reaches(other, ending);
      });
      if (!exact) continue;
      name = ending;
      break;
    }
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

PeftMatch::PeftMatch(const PeftConfig& config, const PeftFamily& family) : config_(config) {
  if (config_.target_modules.empty()) {
    const bool ia3 = config.type == PeftType::ia3;
    config_.target_modules.names = ia3                                  ? family.ia3
                                   : config.type == PeftType::ln_tuning ? family.norms
                                                                        : family.lora;
    if (ia3 && config_.feedforward_modules.empty()) {
      config_.feedforward_modules.names = family.ia3_feedforward;
    }
  }
  // Bad expressions are found here, not at the first module.
  if (!all_linear(config_.target_modules)) matches(config_.target_modules, "");
  matches(config_.exclude_modules, "");
  matches(config_.feedforward_modules, "");
  rank("");
  alpha("");
}

bool PeftMatch::target(const std::string& path, bool head) const {
  if (matches(config_.exclude_modules, path)) return false;
  for (const std::string& whole : config_.modules_to_save) {
    // A module trained whole, and what lies inside it, gets no adapter.
    if (("." + path + ".").find("." + whole + ".") != std::string::npos) return false;
  }
  if (all_linear(config_.target_modules)) return !head;
  if (!matches(config_.target_modules, path)) return false;
  // An expression names its layers itself.
  return !config_.target_modules.expression.empty() || in_layer(path);
}

bool PeftMatch::in_layer(const std::string& path) const {
  if (!config_.layers_to_transform || config_.layers_to_transform->empty()) return true;
  std::vector<std::string> patterns = config_.layers_pattern;
  if (patterns.empty()) patterns = {"[^.]*"};
  for (const std::string& pattern : patterns) {
    std::smatch found;
    const bool dotted = config_.layers_pattern.empty();  // then a name has to stand before it
    const std::string before = dotted ? "^.*?\\." : "^(?:.*?\\.)?";
    if (!std::regex_search(path, found, compiled(before + "(?:" + pattern + ")\\.(\\d+)\\."))) {
      continue;
    }
    const std::string digits = found[found.size() - 1];
    const auto& wanted = *config_.layers_to_transform;
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](int64_t layer) { return std::to_string(layer) == digits; });
  }
  return false;
}

bool PeftMatch::feedforward(const std::string& path) const {
  const ModulePattern& pattern = config_.feedforward_modules;
  if (!pattern.expression.empty()) return matches(pattern, path);
  return ends_with_any(path, pattern.names);
}

bool PeftMatch::saved_whole(const std::string& path) const {
  return ends_with_any(path, config_.modules_to_save);
}

int64_t PeftMatch::rank(const std::string& path) const {
  return value_of(config_.rank_pattern, path, config_.rank);
}

double PeftMatch::alpha(const std::string& path) const {
  return value_of(config_.alpha_pattern, path, config_.alpha);
}

}  // namespace lethe
