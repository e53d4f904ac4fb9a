// BERT folders of Hugging Face as settings of the encoder.
#pragma once

#include "core/formats/hf_config.h"
#include "core/models/encoder.h"
#include "core/models/load_checkpoint.h"

namespace lethe {

/// Of model_type "bert", with `classes` output units; 0 = as many as the file has labels (2 where
/// it names none). Throws Error naming file, key and value for what the model does not have.
EncoderConfig encoder_config(const HfConfig& file, int64_t classes);

/// Names of its checkpoints, the legacy ones too. A file without pooler or classifier, as for other
/// purposes than classification, leaves those fresh.
CheckpointRules encoder_rules(const HfConfig& file);

}  // namespace lethe
