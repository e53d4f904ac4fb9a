// The tokens of a tokenizer's files with their roles, and what all such tokenizers share. Free of
// libtorch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/tokenizer.h"

namespace lethe {

/// Lets a map of strings be searched by a view.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using TokenIds = std::unordered_map<std::string, int64_t, TextHash, std::equal_to<>>;

/// What special tokens are for. Hugging Face's names: bos, eos, unk, pad, sep, cls, mask.
struct TokenRoles {
  std::optional<int64_t> begin, end, unknown, pad, separator, classify, mask;
};

/// All tokens by id and by their text.
class Vocabulary {
 public:
  /// `source` is the folder, for messages.
  explicit Vocabulary(std::string source) : source_(std::move(source)) {}

  /// Throws Error for an id that is negative or above 2^24, or that has another token.
  void add(std::string_view token, int64_t id);
  /// As add, for a token beside the trained ones: throws Error also where the token has another id.
  void add_beside(std::string_view token, int64_t id);
  void mark_special(int64_t id) { special_.at(id) = true; }

  const std::string& source() const { return source_; }
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  /// Throws Error for an id outside or without a token.
  const std::string& token(int64_t id) const;
  std::optional<int64_t> find(std::string_view token) const;
  /// Whether the id, which is inside, has a token.
  bool has(int64_t id) const { return used_[id]; }
  bool special(int64_t id) const { return special_[id]; }
  /// Throws Error unless token(id) exists.
  void require(int64_t id) const;

 private:
  std::string source_;
  std::vector<std::string> tokens_;
  std::vector<bool> used_, special_;
  TokenIds ids_;
};

/// A tokenizer read from files.
class VocabularyTokenizer : public Tokenizer {
 public:
  std::string decode(const std::vector<int64_t>& ids) const override { return text(ids, false); }
  std::string decode_with_special(const std::vector<int64_t>& ids) const override {
    return text(ids, true);
  }
  int64_t vocabulary_size() const override { return vocabulary_.size(); }
  std::string token(int64_t id) const override { return vocabulary_.token(id); }
  std::optional<int64_t> id_of(std::string_view token) const override {
    return vocabulary_.find(token);
  }
  int64_t end_id() const override;
  int64_t pad_id() const override;
  std::optional<int64_t> begin_id() const override { return roles_.begin; }
  std::optional<int64_t> unknown_id() const override { return roles_.unknown; }
  Marks marks() const override { return marks_; }
  const TokenRoles& roles() const { return roles_; }

 protected:
  VocabularyTokenizer(Vocabulary vocabulary, const TokenRoles& roles, Marks marks)
      : vocabulary_(std::move(vocabulary)), roles_(roles), marks_(std::move(marks)) {}
  virtual std::string text(const std::vector<int64_t>& ids, bool with_special) const = 0;

  Vocabulary vocabulary_;
  TokenRoles roles_;
  Marks marks_;
};

}  // namespace lethe
