// config.json of a decoder that was not read from a Hugging Face folder.
#pragma once

#include <cstdint>
#include <string>

#include "core/models/decoder_config.h"

namespace lethe {

/// The text of config.json for the transformers class of `family`: "gpt2", "opt", "bloom" or
/// "llama". Throws Error for a shape that the class can't have: BLOOM's inner width is 4 * width.
std::string hf_config_text(const std::string& family, const DecoderConfig& config, int64_t pad_id,
                           int64_t end_id);

}  // namespace lethe
