// T5 and mT5 folders of Hugging Face as settings of the encoder-decoder.
#pragma once

#include "core/formats/hf_config.h"
#include "core/models/load_checkpoint.h"
#include "core/models/seq2seq_config.h"

namespace lethe {

/// Of model_type "t5" (T5, T5 v1.1, FLAN-T5, T0) or "mt5" (mT5, mT0). Throws Error naming file, key
/// and value for what the model does not have.
Seq2SeqConfig seq2seq_config(const HfConfig& file);

/// Names and ties of their checkpoints.
CheckpointRules seq2seq_rules(const HfConfig& file);

}  // namespace lethe
