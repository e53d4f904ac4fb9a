#include "core/text/train_bpe.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <queue>
#include <set>

#include "core/error.h"
#include "core/text/byte_letters.h"
#include "core/text/unicode.h"

namespace lethe {
namespace {

using Pair = std::pair<int32_t, int32_t>;

struct PairHash {
  size_t operator()(const Pair& pair) const {
    return (static_cast<uint64_t>(static_cast<uint32_t>(pair.first)) << 32 |
            static_cast<uint32_t>(pair.second)) *
           0x9e3779b97f4a7c15;
  }
};

struct Word {
  std::vector<int32_t> tokens;
  int64_t count;
};

/// A pair and how often it stood in the text when it was entered; stale where that has changed.
struct Entry {
  int64_t count;
  Pair pair;
};

/// Joins the pairs of counted words, keeping their counts up to date.
class Learner {
 public:
  Learner(std::vector<std::string> tokens, std::vector<Word> words)
      : tokens_(std::move(tokens)), words_(std::move(words)), queue_(Less{&tokens_}) {
    for (size_t w = 0; w < words_.size(); ++w) count_pairs(w, 1, -1);
    for (const auto& [pair, count] : counts_) queue_.push({count, pair});
    for (size_t id = 0; id < tokens_.size(); ++id) ids_.emplace(tokens_[id], id);
  }

  /// The most frequent pair, joined; false where there is none.
  bool step() {
    const auto best = next();
    if (!best) return false;
    merges_.emplace_back(tokens_[best->first], tokens_[best->second]);
    const std::string joined = merges_.back().first + merges_.back().second;
    const auto [place, fresh] = ids_.emplace(joined, tokens_.size());
    if (fresh) tokens_.push_back(joined);
    const auto id = static_cast<int32_t>(place->second);
    for (const size_t w : std::exchange(where_[*best], {})) join(w, *best, id);
    where_.erase(*best);
    for (const auto& [pair, change] : changes_) {
      const int64_t count = counts_[pair] += change;
      if (count == 0) counts_.erase(pair);
      if (change > 0) queue_.push({count, pair});
    }
    changes_.clear();
    return true;
  }

  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<std::pair<std::string, std::string>>& merges() const { return merges_; }

 private:
  struct Less {
    const std::vector<std::string>* tokens;
    bool operator()(const Entry& a, const Entry& b) const {
      if (a.count != b.count) return a.count < b.count;
      const std::string& left = (*tokens)[a.pair.first];
      const std::string& other = (*tokens)[b.pair.first];
      if (left != other) return left < other;
      return (*tokens)[a.pair.second] < (*tokens)[b.pair.second];
    }
  };

  std::optional<Pair> next() {
    while (!queue_.empty()) {
      const Entry entry = queue_.top();
      queue_.pop();
      const auto found = counts_.find(entry.pair);
      const int64_t count = found == counts_.end() ? 0 : found->second;
      if (count == entry.count) return entry.pair;
      // Counts that grew were entered again; one that fell takes its new place.
      if (count > 0 && count < entry.count) queue_.push({count, entry.pair});
    }
    return std::nullopt;
  }

  // Counts the word's pairs `sign` times. Those with `fresh` (negative: all) also list the word.
  void count_pairs(size_t w, int sign, int32_t fresh) {
    const Word& word = words_[w];
    auto& counts = fresh < 0 ? counts_ : changes_;
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      const Pair pair(word.tokens[i], word.tokens[i + 1]);
      counts[pair] += sign * word.count;
      if (sign < 0 || (fresh >= 0 && pair.first != fresh && pair.second != fresh)) continue;
      std::vector<size_t>& list = where_[pair];
      if (list.empty() || list.back() != w) list.push_back(w);
    }
  }

  void join(size_t w, const Pair& pair, int32_t joined) {
    count_pairs(w, -1, joined);
    std::vector<int32_t>& tokens = words_[w].tokens;
    size_t kept = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool both =
          i + 1 < tokens.size() && tokens[i] == pair.first && tokens[i + 1] == pair.second;
      tokens[kept++] = both ? joined : tokens[i];
      if (both) ++i;
    }
    tokens.resize(kept);
    count_pairs(w, 1, joined);
  }

  std::vector<std::string> tokens_;
  std::vector<Word> words_;
  std::vector<std::pair<std::string, std::string>> merges_;
  std::unordered_map<std::string, size_t> ids_;
  std::unordered_map<Pair, int64_t, PairHash> counts_, changes_;
  std::unordered_map<Pair, std::vector<size_t>, PairHash> where_;
  std::priority_queue<Entry, std::vector<Entry>, Less> queue_;
};

std::vector<AddedToken> as_added(const std::vector<std::string>& special) {
  std::vector<AddedToken> tokens;
  std::set<std::string> seen;
  for (const std::string& content : special) {
    if (content.empty()) fail("a special token is empty; give it a text such as <|endoftext|>");
    if (!seen.insert(content).second)
      fail("special token '{}' stands twice; leave one out", content);
    tokens.push_back({content, static_cast<int64_t>(tokens.size()), true});
  }
  return tokens;
}

/// The bytes whose letters are themselves, then the others.
std::vector<std::string> all_bytes() {
  std::vector<std::string> bytes, others;
  for (int byte = 0; byte < 256; ++byte) {
    size_t at = 0;
    const bool itself = next_code_point(letter_of(static_cast<uint8_t>(byte)), at) < 256;
    (itself ? bytes : others).push_back(std::string(1, static_cast<char>(byte)));
  }
  bytes.insert(bytes.end(), others.begin(), others.end());
  return bytes;
}

}  // namespace

BpeTrainer::BpeTrainer(std::vector<std::string> special)
    : special_(std::move(special)),
      cuts_(as_added(special_)),
      pattern_(kGpt2Pattern, "GPT-2's pattern") {}

void BpeTrainer::add_text(const std::string& what, std::string_view text) {
  require_utf8(what, text);
  std::vector<std::string_view> pieces;
  for (const Section& section : cuts_.split(text)) {
    if (section.token < 0) pattern_.split(section.text, Matches::isolated, pieces);
  }
  for (const std::string_view piece : pieces) ++words_[std::string(piece)];
}

TrainedBpe BpeTrainer::train(int64_t vocabulary) const {
  const int64_t least = 256 + static_cast<int64_t>(special_.size());
  if (vocabulary < least) {
    fail("a vocabulary of {} is too small; expected at least {}: 256 bytes and {} special tokens",
         vocabulary, least, special_.size());
  }
  const std::vector<std::string> bytes = all_bytes();
  std::array<int32_t, 256> id_of{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    id_of[static_cast<uint8_t>(bytes[i][0])] = static_cast<int32_t>(i);
  }
  std::vector<Word> words;
  for (const auto& [text, count] : std::map(words_.begin(), words_.end())) {
    Word& word = words.emplace_back(Word{{}, count});
    for (const char c : text) word.tokens.push_back(id_of[static_cast<uint8_t>(c)]);
  }
  Learner learner(bytes, std::move(words));
  const auto wanted = static_cast<size_t>(vocabulary) - special_.size();
  while (learner.tokens().size() < wanted && learner.step()) {
  }
  TrainedBpe trained{special_, special_, learner.merges()};
  trained.tokens.insert(trained.tokens.end(), learner.tokens().begin(), learner.tokens().end());
  return trained;
}

}  // namespace lethe
