// Byte-level byte-pair encoding: GPT-2, OPT, BLOOM, LLaMA 3, Qwen 2. Free of libtorch.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/merges.h"
#include "core/text/split_pattern.h"
#include "core/text/unicode.h"
#include "core/text/vocabulary.h"
#include "core/text/word_cache.h"

namespace lethe {

/// A change of the text before it is cut: a normal form, or lower case where that is absent.
using NormalizerStep = std::optional<NormalForm>;
std::string normalized(std::string_view text, const std::vector<NormalizerStep>& steps);

/// One cut of a text into pieces.
struct CutStep {
  std::optional<SplitPattern> pattern = std::nullopt;
  Matches matches = Matches::isolated;
  bool prefix_space = false;  ///< first of all, a space in front of a piece that has none
};

/// What the files say.
struct ByteBpeParts {
  Vocabulary vocabulary;
  TokenRoles roles = {};
  Marks marks = {};
  std::vector<AddedToken> added = {};
  MergeRules merges = {};
  std::vector<NormalizerStep> normalizer = {};
  std::vector<CutStep> cuts = {};
  bool ignore_merges = false;  ///< a piece that is a token is that token, whatever the merges say
  bool prefix_text = false;    ///< a space before the whole text, added tokens or not
};

/// Takes any bytes: what is no valid UTF-8 is cut out and encoded byte by byte with its merges.
/// Decoding gives valid UTF-8, with U+FFFD for a part of a character that stands alone, as Hugging
/// Face's tokenizers do. encode may run in several threads at once; one of them uses the cache.
class ByteBpeTokenizer : public VocabularyTokenizer {
 public:
  explicit ByteBpeTokenizer(ByteBpeParts parts);

  /// Throws Error for a byte without a token where there is no unknown token either.
  std::vector<int64_t> encode(std::string_view text) const override;

 private:
  std::string text(const std::vector<int64_t>& ids, bool with_special) const override;
  void encode_valid(std::string_view text, WordCache* cache, std::vector<int64_t>& ids) const;
  void encode_section(std::string_view text, WordCache* cache, std::vector<int64_t>& ids) const;
  void encode_word(std::string_view word, WordCache* cache, std::vector<int64_t>& ids) const;

  AddedTokens raw_, normalized_;
  MergeRules merges_;
  std::vector<NormalizerStep> normalizer_;
  std::vector<CutStep> cuts_;
  bool ignore_merges_, prefix_text_;
  std::array<int32_t, 256> byte_token_;
  std::vector<std::string> bytes_;  // what each id decodes to
  TokenIds words_;                  // by their bytes, where merges are ignored
  mutable std::mutex mutex_;
  mutable WordCache cache_;
};

}  // namespace lethe
