// WordPiece, the tokenizer of BERT (Devlin et al. 2019, arXiv:1810.04805). Free of libtorch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/tokenizer_settings.h"
#include "core/text/vocabulary.h"

namespace lethe {

/// How a text is made ready, in this order.
struct WordPieceText {
  bool clean = true;    ///< control characters and U+FFFD go, white space becomes a space
  bool chinese = true;  ///< a space on both sides of every CJK ideograph
  bool strip_accents = true;
  bool lower_case = true;
};

/// Words and single punctuation marks of a ready text: what BERT calls basic tokens.
std::vector<std::string> basic_words(std::string_view text, const WordPieceText& how);

/// Cuts words into the longest pieces that the vocabulary has, from the left; those inside a word
/// begin with the prefix. A word that can't be cut, or is too long, is the unknown token.
class WordPieceTokenizer : public VocabularyTokenizer {
 public:
  struct Parts {
    Vocabulary vocabulary;
    TokenRoles roles = {};  ///< unknown is set
    Marks marks = {};
    std::vector<AddedToken> added = {};
    WordPieceText text = {};
    std::string prefix = "##";
    int64_t longest_word = 100;  ///< characters
  };
  explicit WordPieceTokenizer(Parts parts);

  /// Throws Error for text that is no valid UTF-8.
  std::vector<int64_t> encode(std::string_view text) const override;

 private:
  /// Words joined with spaces, pieces with none, and no space before marks and in contractions.
  std::string text(const std::vector<int64_t>& ids, bool with_special) const override;
  void encode_words(std::string_view text, std::vector<int64_t>& ids) const;
  void encode_word(const std::string& word, std::vector<int64_t>& ids) const;

  AddedTokens added_;
  WordPieceText how_;
  std::string prefix_;
  int64_t longest_word_;
};

/// From vocab.txt, a token a line, with tokenizer_config.json's do_lower_case, strip_accents and
/// tokenize_chinese_chars; [CLS] and [SEP] are put around texts.
std::shared_ptr<const WordPieceTokenizer> read_word_piece(const TokenizerSettings& settings);

/// From a tokenizer.json whose model is WordPiece, its normalizer BertNormalizer and its
/// pre-tokenizer BertPreTokenizer. Throws Error naming place and value for others.
std::shared_ptr<const WordPieceTokenizer> read_word_piece(const JsonAt& root,
                                                          const TokenizerSettings& settings);

}  // namespace lethe
