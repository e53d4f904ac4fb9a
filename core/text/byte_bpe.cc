#include "core/text/byte_bpe.h"

#include <deque>
#include <utility>

#include "core/error.h"
#include "core/text/byte_letters.h"

namespace lethe {
namespace {

using Pieces = std::vector<std::string_view>;

std::vector<AddedToken> tokens_where(const std::vector<AddedToken>& all, bool normalized) {
  std::vector<AddedToken> found;
  for (const AddedToken& token : all) {
    if (token.normalized == normalized) found.push_back(token);
  }
  return found;
}

/// Cuts pieces further; `owned` holds those that get a space.
Pieces cut(Pieces pieces, const CutStep& step, std::deque<std::string>& owned) {
  if (step.prefix_space) {
    for (std::string_view& piece : pieces) {
      if (piece[0] != ' ') piece = owned.emplace_back(" " + std::string(piece));
    }
  }
  if (!step.pattern) return pieces;
  Pieces result;
  for (const std::string_view piece : pieces) step.pattern->split(piece, step.matches, result);
  return result;
}

}  // namespace

std::string normalized(std::string_view text, const std::vector<NormalizerStep>& steps) {
  std::string result(text);
  for (const NormalizerStep& step : steps) {
    result = step ? normalized(result, *step) : lower_case(result);
  }
  return result;
}

ByteBpeTokenizer::ByteBpeTokenizer(ByteBpeParts parts)
    : VocabularyTokenizer(std::move(parts.vocabulary), parts.roles, std::move(parts.marks)),
      raw_(tokens_where(parts.added, false)),
      merges_(std::move(parts.merges)),
      normalizer_(std::move(parts.normalizer)),
      cuts_(std::move(parts.cuts)),
      ignore_merges_(parts.ignore_merges),
      prefix_text_(parts.prefix_text) {
  std::vector<AddedToken> later = tokens_where(parts.added, true);
  for (AddedToken& token : later) token.content = normalized(token.content, normalizer_);
  normalized_ = AddedTokens(std::move(later));
  for (int byte = 0; byte < 256; ++byte) {
    const auto id = vocabulary_.find(letter_of(static_cast<uint8_t>(byte)));
    byte_token_[byte] = static_cast<int32_t>(id.value_or(roles_.unknown.value_or(-1)));
  }
  std::vector<bool> added(vocabulary_.size());
  for (const AddedToken& token : parts.added) added[token.id] = true;
  bytes_.resize(vocabulary_.size());
  for (int64_t id = 0; id < vocabulary_.size(); ++id) {
    if (!vocabulary_.has(id)) continue;
    const std::string& token = vocabulary_.token(id);
    const auto bytes = added[id] ? std::nullopt : bytes_of(token);
    bytes_[id] = bytes.value_or(token);
    if (ignore_merges_ && bytes) words_.emplace(*bytes, id);
  }
}

std::vector<int64_t> ByteBpeTokenizer::encode(std::string_view text) const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  WordCache* cache = lock.owns_lock() ? &cache_ : nullptr;
  std::string prefixed;
  if (prefix_text_) text = prefixed = " " + std::string(text);
  std::vector<int64_t> ids;
  ids.reserve(text.size() / 3 + 8);
  while (!text.empty()) {
    const size_t valid = valid_utf8(text);
    if (valid > 0) encode_valid(text.substr(0, valid), cache, ids);
    text.remove_prefix(valid);
    const size_t invalid = invalid_utf8(text);
    if (invalid > 0) encode_word(text.substr(0, invalid), cache, ids);
    text.remove_prefix(invalid);
  }
  return ids;
}

void ByteBpeTokenizer::encode_valid(std::string_view text, WordCache* cache,
                                    std::vector<int64_t>& ids) const {
  for (const Section& section : raw_.split(text)) {
    if (section.token >= 0) {
      ids.push_back(section.token);
    } else if (normalizer_.empty()) {
      encode_section(section.text, cache, ids);
    } else {
      encode_section(normalized(section.text, normalizer_), cache, ids);
    }
  }
}

void ByteBpeTokenizer::encode_section(std::string_view text, WordCache* cache,
                                      std::vector<int64_t>& ids) const {
  for (const Section& section : normalized_.split(text)) {
    if (section.token >= 0) {
      ids.push_back(section.token);
      continue;
    }
    std::deque<std::string> owned;
    Pieces pieces = {section.text};
    for (const CutStep& step : cuts_) pieces = cut(std::move(pieces), step, owned);
    for (const std::string_view piece : pieces) encode_word(piece, cache, ids);
  }
}

void ByteBpeTokenizer::encode_word(std::string_view word, WordCache* cache,
                                   std::vector<int64_t>& ids) const {
  if (cache != nullptr && cache->append(word, ids)) return;
  std::vector<int32_t> tokens;
  const auto whole = ignore_merges_ ? words_.find(word) : words_.end();
  if (whole != words_.end()) {
    tokens.push_back(static_cast<int32_t>(whole->second));
  } else {
    tokens.reserve(word.size());
    for (const char c : word) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte_token_[byte] < 0) {
        fail(
            "the vocabulary of {} has no token '{}' for byte 0x{:02x} of a text, and no unknown "
            "token; use a tokenizer with all 256 bytes",
            vocabulary_.source(), letter_of(byte), byte);
      }
      tokens.push_back(byte_token_[byte]);
    }
    merges_.apply(tokens);
  }
  ids.insert(ids.end(), tokens.begin(), tokens.end());
  if (cache != nullptr) cache->keep(word, tokens);
}

std::string ByteBpeTokenizer::text(const std::vector<int64_t>& ids, bool with_special) const {
  std::string bytes;
  for (const int64_t id : ids) {
    vocabulary_.require(id);
    if (with_special || !vocabulary_.special(id)) bytes += bytes_[id];
  }
  return valid_utf8(bytes) == bytes.size() ? bytes : replace_invalid_utf8(bytes);
}

}  // namespace lethe
