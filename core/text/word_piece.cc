#include "core/text/word_piece.h"

#include <utility>

#include "core/text/marked_text.h"
#include "core/text/unicode.h"

namespace lethe {
namespace {

/// CJK ideographs, as BERT's own list has them: neither Hangul nor kana.
bool is_ideograph(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b820 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

std::string clean_and_spaced(std::string_view text, const WordPieceText& how) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (how.clean && (c == 0 || c == 0xfffd || is_control(c))) continue;
    const bool apart = how.chinese && is_ideograph(c);
    if (how.clean && is_space(c)) {
      result += ' ';
    } else {
      if (apart) result += ' ';
      append_utf8(result, c);
      if (apart) result += ' ';
    }
  }
  return result;
}

int64_t characters(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

bool starts_character(std::string_view text, size_t at) {
  return at >= text.size() || (static_cast<uint8_t>(text[at]) & 0xc0) != 0x80;
}

}  // namespace

std::vector<std::string> basic_words(std::string_view text, const WordPieceText& how) {
  std::string ready = clean_and_spaced(text, how);
  if (how.strip_accents) ready = without_accents(ready);
  if (how.lower_case) ready = lethe::lower_case(ready);
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (size_t at = 0; at < ready.size();) {
    const char32_t c = next_code_point(ready, at);
    const bool mark = is_punctuation(c);
    if (mark || is_space(c)) end_word();
    if (!is_space(c)) append_utf8(word, c);
    if (mark) end_word();
  }
  end_word();
  return words;
}

WordPieceTokenizer::WordPieceTokenizer(Parts parts)
    : VocabularyTokenizer(std::move(parts.vocabulary), parts.roles, std::move(parts.marks)),
      added_(std::move(parts.added)),
      how_(parts.text),
      prefix_(std::move(parts.prefix)),
      longest_word_(parts.longest_word) {}

std::vector<int64_t> WordPieceTokenizer::encode(std::string_view text) const {
  require_utf8("a text", text);
  std::vector<int64_t> ids;
  for (const Section& section : added_.split(text)) {
    if (section.token >= 0) {
      ids.push_back(section.token);
    } else {
      encode_words(section.text, ids);
    }
  }
  return ids;
}

void WordPieceTokenizer::encode_words(std::string_view text, std::vector<int64_t>& ids) const {
  for (const std::string& word : basic_words(text, how_)) encode_word(word, ids);
}

void WordPieceTokenizer::encode_word(const std::string& word, std::vector<int64_t>& ids) const {
  const size_t before = ids.size();
  bool spelled = characters(word) <= longest_word_;
  for (size_t start = 0; spelled && start < word.size();) {
    size_t end = word.size();
    std::optional<int64_t> id;
    for (; end > start; --end) {
      if (!starts_character(word, end)) continue;
      const std::string piece = word.substr(start, end - start);
      id = vocabulary_.find(start > 0 ? prefix_ + piece : piece);
      if (id) break;
    }
    if (id) ids.push_back(*id);
    spelled = id.has_value();
    start = end;
  }
  if (spelled) return;
  ids.resize(before);
  ids.push_back(roles_.unknown.value());
}

std::string WordPieceTokenizer::text(const std::vector<int64_t>& ids, bool with_special) const {
  std::string joined;
  bool first = true;
  for (const int64_t id : ids) {
    const std::string& token = vocabulary_.token(id);
    if (!with_special && vocabulary_.special(id)) continue;
    if (first) {
      joined += token;
    } else if (!prefix_.empty() && token.starts_with(prefix_)) {
      joined += token.substr(prefix_.size());
    } else {
      joined += " " + token;
    }
    first = false;
  }
  return without_extra_spaces(joined);
}

}  // namespace lethe
