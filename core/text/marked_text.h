// Texts with the marks that their model expects, cut and padded. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer.h"

namespace lethe {

/// The text between the tokenizer's marks. `longest` is the most ids it may have, marks included:
/// the text's end is cut, never a mark; 0 = no limit. Throws Error where the marks alone are more.
std::vector<int64_t> encode_marked(const Tokenizer& tokenizer, std::string_view text,
                                   int64_t longest = 0);

/// Two texts between the tokenizer's marks. `types` (one an id) are 0 up to the marks between them
/// and 1 from the second text on, as BERT has them.
struct MarkedPair {
  std::vector<int64_t> ids, types;
};
MarkedPair encode_pair(const Tokenizer& tokenizer, std::string_view first, std::string_view second);

/// Rows of one width, filled up on the right with the tokenizer's padding. `mask` is 1 where an id
/// is the row's own.
struct PaddedRows {
  std::vector<std::vector<int64_t>> ids, mask;
};
PaddedRows padded(const Tokenizer& tokenizer, std::vector<std::vector<int64_t>> rows);

/// `text` without the spaces that English has not: before marks and in contractions. What
/// transformers calls clean_up_tokenization_spaces.
std::string without_extra_spaces(std::string_view text);

}  // namespace lethe
