// Decoders of Hugging Face folders: GPT-2, OPT, BLOOM, LLaMA, Mistral and Qwen2 as settings of one
// model.
#pragma once

#include <string>
#include <vector>

#include "core/formats/hf_config.h"
#include "core/models/decoder_config.h"
#include "core/models/load_checkpoint.h"

namespace lethe {

/// What config.json describes, with the parameters' names as Hugging Face's modules have them
/// ("transformer.h.0.attn.c_attn.weight"). Dropouts are those of the config. An architecture ending
/// in ForSequenceClassification gets a classification head. Throws Error naming file, key and value
/// for a family that is not known (listing the known) and for settings that change the computation
/// and are not supported.
DecoderConfig decoder_config(const HfConfig& config);

/// How the family's files differ from the names and shapes of the model.
CheckpointRules decoder_rules(const HfConfig& config);

/// "bloom", "gpt2", "llama", "mistral", "opt", "qwen2".
std::vector<std::string> decoder_families();

}  // namespace lethe
