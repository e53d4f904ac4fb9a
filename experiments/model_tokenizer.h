// The tokenizer that belongs to a model.
#pragma once

#include "experiments/sweep.h"

namespace lethe {

/// That of a pretrained model's folder; none, which means the built-in one, for the others.
/// `model` has paths. Throws as load_tokenizer does.
ModelTokenizer model_tokenizer(const Part& model);

}  // namespace lethe
