#include "core/text/tokenizer.h"

#include <utility>

#include "core/error.h"
#include "core/formats/utf8.h"

namespace lethe {
namespace {

bool printable(char c) { return c > ' ' && c <= '~'; }

// Bytes of the piece that starts at `text`, which is not empty.
size_t piece_length(std::string_view text) {
  const size_t start = text.size() > 1 && text[0] == ' ' && printable(text[1]) ? 1 : 0;
  size_t end = start + 1;
  if (!is_ascii_letter(text[start])) return end;
  while (end < text.size() && is_ascii_letter(text[end])) ++end;
  return end;
}

}  // namespace

std::vector<std::string_view> text_pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t length = piece_length(text);
    pieces.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

WordTokenizer::WordTokenizer(std::vector<std::string> words) : words_(std::move(words)) {
  for (const std::string& word : words_) {
    if (word.size() < 2 || piece_length(word) != word.size()) {
      fail(
          "word '{}' of the tokenizer's list is not one piece of at least two bytes; expected "
          "letters, a "
          "digit or a punctuation mark, with at most one space before",
          word);
    }
    const int64_t id = kFirstWord + static_cast<int64_t>(id_of_.size());
    if (!id_of_.emplace(word, id).second) {
      fail("word '{}' stands twice in the tokenizer's list; leave one out", word);
    }
  }
}

std::vector<int64_t> WordTokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  for (const std::string_view piece : text_pieces(text)) {
    if (const auto word = id_of_.find(piece); word != id_of_.end()) {
      ids.push_back(word->second);
      continue;
    }
    for (const char byte : piece) ids.push_back(kFirstByte + static_cast<uint8_t>(byte));
  }
  return ids;
}

std::string WordTokenizer::token(int64_t id) const {
  if (id < 0 || id >= vocabulary_size()) {
    fail("token id {} is outside the vocabulary; expected 0 to {}", id, vocabulary_size() - 1);
  }
  if (id >= kFirstWord) return words_[id - kFirstWord];
  if (id >= kFirstByte) return {static_cast<char>(id - kFirstByte)};
  return id == kPad ? "<pad>" : "<end>";
}

std::optional<int64_t> WordTokenizer::id_of(std::string_view token) const {
  if (token == "<pad>") return kPad;
  if (token == "<end>") return kEnd;
  if (token.size() == 1) return kFirstByte + static_cast<uint8_t>(token[0]);
  const auto word = id_of_.find(token);
  return word == id_of_.end() ? std::nullopt : std::optional(word->second);
}

std::string WordTokenizer::decode(const std::vector<int64_t>& ids) const {
  std::string text;
  for (const int64_t id : ids) {
    const std::string piece = token(id);
    if (id >= kFirstByte) text += piece;
  }
  return text;
}

std::string WordTokenizer::decode_with_special(const std::vector<int64_t>& ids) const {
  std::string text;
  for (const int64_t id : ids) text += token(id);
  return text;
}

int64_t WordTokenizer::vocabulary_size() const {
  return kFirstWord + static_cast<int64_t>(words_.size());
}

}  // namespace lethe
