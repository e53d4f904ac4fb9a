// Parts of a tokenizer.json that every kind of model shares. Free of libtorch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/json_file.h"
#include "core/text/vocabulary.h"

namespace lethe {

/// "BPE", "WordPiece", "Unigram": model.type, or what an old file without one holds.
std::string model_type(const JsonAt& root);

/// Whether the pre-tokenizer is ByteLevel, or a sequence with it.
bool is_byte_level(const JsonAt& root);

/// model.vocab, an object of token to id, then added_tokens, which are also returned.
std::vector<AddedToken> read_vocabulary(const JsonAt& root, Vocabulary& vocabulary);

/// What post_processor puts around texts: TemplateProcessing, BertProcessing, RobertaProcessing,
/// ByteLevel (nothing) or a Sequence of these. Throws Error for any other.
Marks read_post_processor(const JsonAt& root);

/// The elements of a Sequence under `list`, or the one step itself; none where it is absent.
std::vector<JsonAt> steps_of(const std::optional<JsonAt>& step, const std::string& list);

}  // namespace lethe
