// The tokenizer that belongs to a model, and the rows that it reads.
#pragma once

#include "experiments/sweep.h"

namespace lethe {

/// That of a pretrained model's folder; none, which means the built-in one, for the others, and for
/// a folder without a tokenizer on the built-in text (`stream` "instructions"). `model` has paths.
/// Throws as load_tokenizer does.
ModelTokenizer model_tokenizer(const Part& model, const std::string& stream);

/// Those of a pretrained model's folder; text for the others. `model` has paths. Throws as
/// pretrained_rows does.
ModelRows model_rows(const Part& model);

}  // namespace lethe
