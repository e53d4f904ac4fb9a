// SentencePiece models, BPE with byte fallback (LLaMA) and Unigram (T5). Free of libtorch; the
// library reads and applies them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/tokenizer_settings.h"
#include "core/text/vocabulary.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace lethe {

/// What the library alone makes of a text: no added tokens, no marks.
class SentencePieceModel {
 public:
  /// Without `dummy_prefix` no space is put before texts, whatever the file says. Throws Error
  /// naming the file where the library can't read it.
  explicit SentencePieceModel(const std::string& path, bool dummy_prefix = true);
  ~SentencePieceModel();

  int64_t size() const;
  std::string piece(int64_t id) const;
  bool control(int64_t id) const;  ///< or the unknown piece
  int64_t unknown_id() const;
  /// nullopt-like: negative where the model has none.
  int64_t begin_id() const;
  int64_t end_id() const;
  int64_t pad_id() const;

  std::vector<int64_t> encode(std::string_view text) const;
  /// Unknown pieces become " \u2047 ", bytes that are no UTF-8 U+FFFD.
  std::string decode(const std::vector<int64_t>& ids) const;
  std::string decode_pieces(const std::vector<std::string>& pieces) const;

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

/// Whose rules for added tokens and marks hold: transformers' T5Tokenizer or LlamaTokenizer.
enum class SentencePieceKind { t5, llama };

/// A model with its added tokens, as transformers' slow tokenizers encode and decode it. Text is
/// cut at added tokens first. In the legacy form each part gets the space that the model puts
/// before a text; in the other only the text's first.
class SentencePieceTokenizer : public VocabularyTokenizer {
 public:
  struct Parts {
    Vocabulary vocabulary;
    TokenRoles roles = {};
    Marks marks = {};
    std::vector<AddedToken> added = {};
    std::unique_ptr<SentencePieceModel> model = {};
    SentencePieceKind kind = SentencePieceKind::llama;
    bool legacy = true;
    bool prefix_space = true;             ///< not legacy, LLaMA: a space before the text
    std::vector<bool> stands_alone = {};  ///< ids that decode apart from their neighbours
  };
  explicit SentencePieceTokenizer(Parts parts);

  /// Throws Error for text that is no valid UTF-8.
  std::vector<int64_t> encode(std::string_view text) const override;

 private:
  std::string text(const std::vector<int64_t>& ids, bool with_special) const override;
  std::string run_text(std::vector<int64_t> ids) const;
  void encode_part(std::string_view text, std::vector<int64_t>& ids) const;
  void encode_without_prefix(std::string_view text, std::vector<int64_t>& ids) const;

  AddedTokens added_;
  std::unique_ptr<SentencePieceModel> model_;
  SentencePieceKind kind_;
  bool legacy_, prefix_space_;
  std::vector<bool> stands_alone_;
  std::string unknown_;        // the unknown token's text
  size_t unknown_length_ = 0;  // what it is cut into
};

/// From `file` (tokenizer.model or spiece.model) of the settings' folder. T5's extra ids come after
/// the pieces, <extra_id_0> last; a padding token that the model lacks comes after these.
std::shared_ptr<const SentencePieceTokenizer> read_sentencepiece(const TokenizerSettings& settings,
                                                                 const std::string& file);

}  // namespace lethe
