#include "core/text/vocabulary.h"

#include "core/error.h"

namespace lethe {

void Vocabulary::add(std::string_view token, int64_t id) {
  constexpr int64_t kMostIds = 1 << 24;  // a damaged id must not take all memory
  if (id < 0 || id >= kMostIds) {
    fail("token '{}' of {} has the id {}; expected 0 to {}", token, source_, id, kMostIds - 1);
  }
  const auto at = static_cast<size_t>(id);
  if (at >= tokens_.size()) {
    tokens_.resize(at + 1);
    used_.resize(at + 1);
    special_.resize(at + 1);
  }
  if (used_[at] && tokens_[at] != token) {
    fail("id {} of {} stands for both '{}' and '{}'; expected one token an id", id, source_,
         tokens_[at], token);
  }
  tokens_[at] = token;
  used_[at] = true;
  ids_.insert_or_assign(std::string(token), id);
}

void Vocabulary::add_beside(std::string_view token, int64_t id) {
  const auto known = find(token);
  if (known && *known != id) {
    fail("added token '{}' of {} has the id {}, but {} in the vocabulary; expected one", token,
         source_, id, *known);
  }
  add(token, id);
}

void Vocabulary::require(int64_t id) const {
  if (id < 0 || id >= size()) {
    fail("token id {} is outside the vocabulary; expected 0 to {}", id, size() - 1);
  }
  if (!used_[static_cast<size_t>(id)]) fail("token id {} of {} has no token", id, source_);
}

const std::string& Vocabulary::token(int64_t id) const {
  require(id);
  return tokens_[static_cast<size_t>(id)];
}

std::optional<int64_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

int64_t VocabularyTokenizer::end_id() const {
  if (roles_.end) return *roles_.end;
  fail("the tokenizer of {} names no end token; add \"eos_token\" to its tokenizer_config.json",
       vocabulary_.source());
}

int64_t VocabularyTokenizer::pad_id() const {
  if (roles_.pad) return *roles_.pad;
  if (roles_.end) return *roles_.end;
  fail(
      "the tokenizer of {} names neither a padding nor an end token; add \"pad_token\" to its "
      "tokenizer_config.json",
      vocabulary_.source());
}

}  // namespace lethe
