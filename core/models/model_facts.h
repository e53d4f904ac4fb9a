// A model's seams and shapes from its config.json, for a memory plan. No weights, and no memory for
// them.
#pragma once

#include "core/formats/hf_config.h"
#include "core/plan/facts.h"

namespace lethe {

/// Throws Error for a model_type that is not known, listing the known, and for missing keys.
plan::ModelFacts model_facts(const HfConfig& config);

}  // namespace lethe
