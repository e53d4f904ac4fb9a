#include "core/text/merges.h"

#include <bit>
#include <queue>
#include <utility>

namespace lethe {
namespace {

/// A token of the word, linked to its neighbours; negative = none.
struct Symbol {
  int32_t token, before, after;
};

/// A pair that a rule could join: where it stands and what it was when it was found.
struct Candidate {
  int32_t rank, at, left, right, joined;
  bool operator<(const Candidate& other) const {  // the greatest is the next to be joined
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

}  // namespace

MergeRules::MergeRules(size_t rules) : slots_(std::bit_ceil(2 * rules + 16)) {}

size_t MergeRules::place(uint64_t pair) const {
  uint64_t hash = pair * 0x9e3779b97f4a7c15;
  size_t at = (hash ^ hash >> 32) & (slots_.size() - 1);
  while (slots_[at].pair != kFree && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
  return at;
}

const MergeRules::Slot* MergeRules::find(int32_t left, int32_t right) const {
  const Slot& slot = slots_[place(key(left, right))];
  return slot.pair == kFree ? nullptr : &slot;
}

void MergeRules::grow() {
  std::vector<Slot> old(2 * slots_.size());
  std::swap(old, slots_);
  for (const Slot& slot : old) {
    if (slot.pair != kFree) slots_[place(slot.pair)] = slot;
  }
}

void MergeRules::add(int32_t left, int32_t right, int32_t rank, int32_t joined) {
  if (2 * (used_ + 1) > slots_.size()) grow();
  Slot& slot = slots_[place(key(left, right))];
  if (slot.pair == kFree) ++used_;
  slot = {key(left, right), rank, joined};
}

void MergeRules::apply(std::vector<int32_t>& tokens) const {
  const auto count = static_cast<int32_t>(tokens.size());
  std::vector<Symbol> symbols(tokens.size());
  for (int32_t i = 0; i < count; ++i) symbols[i] = {tokens[i], i - 1, i + 1 < count ? i + 1 : -1};
  std::vector<Candidate> found;
  const auto consider = [&](int32_t at, auto&& keep) {
    if (at < 0 || symbols[at].after < 0) return;
    const int32_t left = symbols[at].token;
    const int32_t right = symbols[symbols[at].after].token;
    if (const Slot* rule = find(left, right)) keep({rule->rank, at, left, right, rule->joined});
  };
  found.reserve(tokens.size());
  for (int32_t i = 0; i < count; ++i) consider(i, [&](Candidate c) { found.push_back(c); });
  std::priority_queue<Candidate> queue({}, std::move(found));
  const auto push = [&](Candidate c) { queue.push(c); };
  while (!queue.empty()) {
    const Candidate next = queue.top();
    queue.pop();
    Symbol& symbol = symbols[next.at];
    // Stale where a merge since has changed either side; a joined right side is left as -1.
    if (symbol.token != next.left || symbol.after < 0) continue;
    Symbol& right = symbols[symbol.after];
    if (right.token != next.right) continue;
    symbol.token = next.joined;
    right.token = -1;
    symbol.after = right.after;
    if (symbol.after >= 0) symbols[symbol.after].before = next.at;
    consider(symbol.before, push);
    consider(next.at, push);
  }
  tokens.clear();
  for (int32_t at = count > 0 ? 0 : -1; at >= 0; at = symbols[at].after) {
    tokens.push_back(symbols[at].token);
  }
}

}  // namespace lethe
