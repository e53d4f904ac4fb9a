// What a trial learned, written as an adapter folder that peft loads.
#pragma once

#include <string>

#include "core/adapters/learned.h"
#include "core/formats/peft_config.h"
#include "core/formats/peft_match.h"

namespace lethe {

/// The base that the adapter belongs to.
struct PeftBase {
  std::string name_or_path;       ///< base_model_name_or_path; may be empty
  std::string task_type;          ///< empty = the family's
  int64_t layers = 0, heads = 0;  ///< of prompt tuning's config; 0 = not said
};

/// The config under which peft reads `learned`: LoRA, DoRA or (IA)^3 with biases and modules saved
/// whole, prompt tuning, or LN tuning. Throws Error naming what peft has no form for, and that
/// --merge writes it.
PeftConfig peft_config_of(const Learned& learned, Model& model, const PeftFamily& family,
                          const PeftBase& base);

/// adapter_model.safetensors, then adapter_config.json, into the existing folder.
void write_peft(const std::string& folder, const Learned& learned, Model& model,
                const PeftFamily& family, const PeftBase& base);

}  // namespace lethe
