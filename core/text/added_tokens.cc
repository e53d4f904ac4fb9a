#include "core/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "core/text/unicode.h"

namespace lethe {
namespace {

uint8_t first_byte(const AddedToken& token) { return static_cast<uint8_t>(token.content[0]); }

bool word_before(std::string_view text, size_t end) {
  if (end == 0) return false;
  size_t start = end - 1;
  while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) --start;
  return is_word(next_code_point(text, start));
}

bool word_at(std::string_view text, size_t at) {
  return at < text.size() && is_word(next_code_point(text, at));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    if (first_byte(a) != first_byte(b)) return first_byte(a) < first_byte(b);
    return a.content.size() > b.content.size();
  });
  for (const AddedToken& token : tokens_) {
    if (starts_.empty() || starts_.back() != token.content[0]) starts_ += token.content[0];
    for (size_t byte = first_byte(token) + size_t{1}; byte <= 256; ++byte) ++first_[byte];
  }
}

const AddedToken* AddedTokens::match_at(std::string_view text, size_t at) const {
  const auto byte = static_cast<uint8_t>(text[at]);
  for (uint32_t i = first_[byte]; i < first_[byte + 1]; ++i) {
    const AddedToken& token = tokens_[i];
    if (text.substr(at, token.content.size()) != token.content) continue;
    const bool alone =
        !token.single_word || !(word_before(text, at) || word_at(text, at + token.content.size()));
    return alone ? &token : nullptr;
  }
  return nullptr;
}

size_t AddedTokens::next_start(std::string_view text, size_t at) const {
  if (starts_.size() == 1) return text.find(starts_[0], at);
  return text.find_first_of(starts_, at);  // nowhere, where there are no tokens
}

std::vector<Section> AddedTokens::split(std::string_view text) const {
  std::vector<Section> sections;
  size_t done = 0;
  size_t at = next_start(text, 0);
  while (at != std::string_view::npos) {
    const AddedToken* token = match_at(text, at);
    if (token == nullptr) {
      at = next_start(text, at + 1);
      continue;
    }
    std::string_view before = text.substr(done, at - done);
    if (token->left_strip) before.remove_suffix(trailing_space(before));
    done = at + token->content.size();
    if (token->right_strip) done += leading_space(text.substr(done));
    if (!before.empty()) sections.push_back({before});
    sections.push_back({text.substr(at, token->content.size()), token->id});
    at = next_start(text, done);
  }
  if (done < text.size()) sections.push_back({text.substr(done)});
  return sections;
}

}  // namespace lethe
