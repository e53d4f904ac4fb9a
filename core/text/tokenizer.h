// Text to token ids and back. Free of libtorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lethe {

/// What a model expects around a text: [CLS] a [SEP] b [SEP] of BERT, the begin mark of LLaMA and
/// OPT, the end mark of T5. A text alone stands between `before` and `after`, two texts as before,
/// first, between, second, after.
struct Marks {
  std::vector<int64_t> before = {}, between = {}, after = {};
  /// No end mark after ids that end with it already, as T5's tokenizer has it.
  bool after_once = false;
};

/// Turns text into ids and back.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids of the text alone: no mark is added. Special tokens that the text spells out become their
  /// ids where the tokenizer knows such a spelling.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  /// The text of the ids; special tokens have none. Throws Error for an id outside the vocabulary.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  /// As decode, but special tokens are spelled out.
  virtual std::string decode_with_special(const std::vector<int64_t>& ids) const = 0;
  /// The largest id and one: added tokens are included.
  virtual int64_t vocabulary_size() const = 0;
  /// As the vocabulary spells it: "\u0120the" of a byte-level one. Throws as decode does.
  virtual std::string token(int64_t id) const = 0;
  /// nullopt where the vocabulary has no such token.
  virtual std::optional<int64_t> id_of(std::string_view token) const = 0;
  /// The end mark. Throws Error where the tokenizer names none.
  virtual int64_t end_id() const = 0;
  /// What fills short rows; the end mark where the tokenizer names no such token.
  virtual int64_t pad_id() const = 0;
  /// The begin mark; nullopt where the vocabulary has no such token. marks() say whether a text
  /// begins with it.
  virtual std::optional<int64_t> begin_id() const { return std::nullopt; }
  /// What stands for text that the vocabulary can't spell; nullopt where it has no such token.
  virtual std::optional<int64_t> unknown_id() const { return std::nullopt; }
  /// What the tokenizer's own files put around a text.
  virtual Marks marks() const { return {}; }
};

/// The pieces into which WordTokenizer cuts a text; joined they are the text. A piece is a run of
/// ASCII letters, one digit or one punctuation mark, each with at most one space before it, or else
/// one byte.
std::vector<std::string_view> text_pieces(std::string_view text);

/// A closed list of words with all bytes to fall back on, so that decode(encode(text)) is the text
/// for any bytes. Ids: <pad> 0, <end> 1, byte b at 2 + b, then the words in the order given. A
/// piece that is a word becomes one id, any other its bytes.
class WordTokenizer : public Tokenizer {
 public:
  static constexpr int64_t kPad = 0;
  static constexpr int64_t kEnd = 1;
  static constexpr int64_t kFirstByte = 2;
  static constexpr int64_t kFirstWord = kFirstByte + 256;

  /// Throws Error for a word that text_pieces would never yield, that is a single byte, or that
  /// stands twice in the list.
  explicit WordTokenizer(std::vector<std::string> words);
  WordTokenizer(const WordTokenizer&) = delete;
  WordTokenizer& operator=(const WordTokenizer&) = delete;

  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<int64_t>& ids) const override;
  /// "<pad>" and "<end>" spelled out; encode doesn't turn these back into ids.
  std::string decode_with_special(const std::vector<int64_t>& ids) const override;
  int64_t vocabulary_size() const override;
  /// The byte or the word itself, "<pad>" or "<end>".
  std::string token(int64_t id) const override;
  std::optional<int64_t> id_of(std::string_view token) const override;
  int64_t end_id() const override { return kEnd; }
  int64_t pad_id() const override { return kPad; }
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string_view, int64_t> id_of_;  // views into words_
};

}  // namespace lethe
