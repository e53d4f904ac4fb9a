// Byte-level tokenizers from Hugging Face's files. Free of libtorch.
#pragma once

#include <memory>
#include <string>

#include "core/text/byte_bpe.h"
#include "core/text/json_file.h"
#include "core/text/tokenizer_settings.h"

namespace lethe {

/// From a tokenizer.json whose model is BPE and whose pre-tokenizer is ByteLevel, alone or after
/// Split and Digits. Normalizers: NFC, NFD, NFKC, NFKD, Lowercase. Throws Error naming place and
/// value for what else the file asks for, and for a merge of unknown pieces.
std::shared_ptr<const ByteBpeTokenizer> read_byte_bpe(const JsonAt& root,
                                                      const TokenizerSettings& settings);

/// From vocab.json and merges.txt with GPT-2's pattern, as transformers' GPT2Tokenizer reads them:
/// a prefix space, where tokenizer_config.json asks for one, stands before the whole text. OPT's
/// begin mark is added.
std::shared_ptr<const ByteBpeTokenizer> read_byte_bpe_pair(const TokenizerSettings& settings);

}  // namespace lethe
