// How the weights of a Hugging Face folder were quantised before they were written: the
// quantization_config of its config.json. Free of libtorch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/formats/hf_config.h"

namespace lethe {

struct StoredQuantisation {
  std::string base;     ///< one of base_formats(): "int8", "nf4", "nf4-dq", "fp4" or "fp4-dq"
  float threshold = 6;  ///< of int8: from which on an input's column is an outlier; 0 = none
  std::vector<std::string> skipped;  ///< modules that are not quantised, by parts of their paths

  /// Whether the module "model.layers.0.mlp.up_proj" is one of those: its path has one of them
  /// before a dot, or ends with it, as transformers matches.
  bool skips(const std::string& module) const;
};

/// nullopt where config.json has none. Throws Error naming key and value for what is neither
/// LLM.int8() nor 4-bit weights of bitsandbytes, and for values that can't be.
std::optional<StoredQuantisation> stored_quantisation(const HfConfig& config);

}  // namespace lethe
