// The tensors of a model as its config.json says, without any memory for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/hf_config.h"

namespace lethe {

struct TensorShape {
  std::string name;  ///< "transformer.h.0.attn.c_attn.weight"
  std::vector<int64_t> shape;
  int64_t elements() const;
};

/// Every parameter of the model once, tied ones under their first name. Throws Error for a
/// model_type that is not known, listing the known.
std::vector<TensorShape> tensor_shapes(const HfConfig& config);

/// PEFT's default target modules of LoRA for a model_type (peft/utils/constants.py): "c_attn" of
/// gpt2, "q_proj" and "v_proj" of llama. Empty where it has none.
std::vector<std::string> lora_targets(const std::string& model_type);

/// Whether the module `name`, a path with dots, is one of `targets` or ends in ".TARGET".
bool is_target(const std::string& name, const std::vector<std::string>& targets);

}  // namespace lethe
