// A model as a Hugging Face folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/peft_match.h"
#include "core/model.h"

namespace lethe {

/// model.safetensors with every parameter as float32 under its name in the transformers class, the
/// products of Conv1D as (in, out); a tied head is left out. A base in int8, NF4 or FP4 is written
/// as bitsandbytes does, codes (out, in) in any case; one in bf16 as float32. The model has no
/// adapters. Throws Error for virtual tokens.
void write_hf_weights(const std::string& folder, Model& model, const PeftFamily& family);

/// config.json of `source` with its dtype made float32 and without quantization_config, and the
/// tokenizer's and generation's files that are there. With `classes` it is a classifier's: where
/// the source has another number of labels they become LABEL_0, LABEL_1 and so on, and BERT's class
/// is the one with that head. Returns the names of the files, sorted.
std::vector<std::string> copy_hf_settings(const std::string& source, const std::string& folder,
                                          int64_t classes = 0);

/// Adds quantization_config to the folder's config.json where the model has a base in int8, NF4 or
/// FP4: bitsandbytes', the model's outlier threshold, and the modules that are not quantised.
void write_hf_quantisation(const std::string& folder, Model& model, const PeftFamily& family);

}  // namespace lethe
