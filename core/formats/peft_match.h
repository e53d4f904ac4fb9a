// Which modules an adapter of peft reaches, and with what rank. Free of libtorch. Paths are those
// of the transformers class, "model.layers.0.self_attn.q_proj".
// Source: peft's tuners (check_target_module_exists, get_pattern_key) and its tables of defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/formats/peft_config.h"

namespace lethe {

/// What peft and transformers know of an architecture by its `model_type`.
struct PeftFamily {
  std::string model_type;
  std::string prefix;     ///< of every module but the head: "model.", "transformer.", or nothing
  std::string task_type;  ///< of a model with a language-modelling head
  std::vector<std::string> conv1d;  ///< endings of products kept as (in, out)
  std::vector<std::string> lora, ia3, ia3_feedforward, norms;  ///< default targets
  std::vector<std::string> kept_float = {};  ///< endings of products that are never quantised
};

/// Throws Error listing the known types.
const PeftFamily& peft_family(const std::string& model_type);

/// The path in the transformers class of what a model here calls `name`; heads have no prefix.
std::string module_path(const PeftFamily& family, const std::string& name, bool head);

/// Whether `path` is `ending`, or ends with a dot and it.
bool has_ending(const std::string& path, const std::string& ending);

/// The fewest names by which `chosen` of the modules `all` are said, each the shortest ending that
/// reaches no other; a whole path where none does. `reaches(path, name)` is peft's rule for the
/// list that they are for. Sorted.
std::vector<std::string> shortest_names(
    const std::vector<std::string>& all, const std::vector<std::string>& chosen,
    const std::function<bool(const std::string& path, const std::string& name)>& reaches);

class PeftMatch {
 public:
  /// Takes the family's default targets where the config has none. Throws Error naming the config's
  /// regular expression that is none.
  PeftMatch(const PeftConfig& config, const PeftFamily& family);

  /// Whether the module, a Linear or normalisation layer, gets an adapter; `head` = it is the
  /// language-modelling head, which "all-linear" leaves out.
  bool target(const std::string& path, bool head) const;
  bool feedforward(const std::string& path) const;
  /// One of modules_to_save: peft asks for the end of the path alone, "norm" also names "ln_norm".
  bool saved_whole(const std::string& path) const;
  int64_t rank(const std::string& path) const;
  double alpha(const std::string& path) const;

 private:
  bool in_layer(const std::string& path) const;

  PeftConfig config_;
};

}  // namespace lethe
