// A tokenizer from a folder as the Hugging Face hub has them. Free of libtorch.
#pragma once

#include <memory>
#include <string>

#include "core/text/tokenizer.h"

namespace lethe {

/// Reads the first of these that the folder has, with the special tokens of tokenizer_config.json,
/// special_tokens_map.json, added_tokens.json, generation_config.json and config.json:
///   tokenizer.json                       byte-level BPE, WordPiece
///   tokenizer.model, or spiece.model     SentencePiece, also where tokenizer.json has such a model
///   vocab.json and merges.txt            byte-level BPE with GPT-2's pattern
///   vocab.txt                            WordPiece
/// Throws Error for a folder without any, and for what the files lack or get wrong.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& folder);

/// Whether the folder has any of these files.
bool has_tokenizer(const std::string& folder);

/// SHA-256 over the names and contents of the files that load_tokenizer reads: equal for equal
/// tokenizers wherever they lie. 64 hexadecimal characters. Throws as load_tokenizer does for a
/// folder without a tokenizer.
std::string tokenizer_digest(const std::string& folder);

}  // namespace lethe
