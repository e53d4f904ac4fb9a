// An adapter folder of peft, read for a model.
#pragma once

#include <string>

#include "core/adapters/learned.h"
#include "core/formats/peft_config.h"
#include "core/formats/peft_match.h"

namespace lethe {

struct PeftAdapter {
  PeftConfig config;
  Learned learned;
};

/// adapter_config.json and adapter_model.safetensors of `folder` for a model of that family: LoRA
/// (rank-stabilised, weight-decomposed, with biases), (IA)^3, prompt tuning, LN tuning, each with
/// the modules that were saved whole. Throws Error listing every tensor that is missing, unexpected
/// or misshapen, and naming targets that reach nothing.
PeftAdapter read_peft(const std::string& folder, Model& model, const PeftFamily& family);

/// SHA-256 over both files' contents.
std::string peft_digest(const std::string& folder);

}  // namespace lethe
