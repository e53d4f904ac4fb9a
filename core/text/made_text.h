// The text of ids that a model made. Free of libtorch.
#pragma once

#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace lethe {

/// tokenizer.decode(ids) without the ids past its vocabulary: models' tables are often padded
/// beyond their tokenizers (OPT 50,272 rows for 50,265 tokens), and such ids have no text.
std::string made_text(const Tokenizer& tokenizer, const std::vector<int64_t>& ids);

}  // namespace lethe
