// The tensors of a model as its config.json says, without any memory for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/hf_config.h"
#include "core/formats/peft_targets.h"

namespace lethe {

struct TensorShape {
  std::string name;  ///< "transformer.h.0.attn.c_attn.weight"
  std::vector<int64_t> shape;
  int64_t elements() const;
};

/// Every parameter of the model once, tied ones under their first name. Throws Error for a
/// model_type that is not known, listing the known.
std::vector<TensorShape> tensor_shapes(const HfConfig& config);

}  // namespace lethe
