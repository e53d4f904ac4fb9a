// Merge rules against a second, plain implementation.
#include "core/text/merges.h"

#include <catch2/catch.hpp>
#include <map>

#include "core/random.h"

namespace {

using Tokens = std::vector<int32_t>;
struct Rule {
  int32_t rank, joined;
};
using Rules = std::map<std::pair<int32_t, int32_t>, Rule>;

/// Looks at every pair again after each merge.
Tokens merged_plainly(Tokens tokens, const Rules& rules) {
  while (true) {
    size_t best = tokens.size();
    Rule rule{INT32_MAX, 0};
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto found = rules.find({tokens[i], tokens[i + 1]});
      if (found == rules.end() || found->second.rank >= rule.rank) continue;
      best = i;
      rule = found->second;
    }
    if (best == tokens.size()) return tokens;
    tokens[best] = rule.joined;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

}  // namespace

TEST_CASE("the lowest rank is joined first, and of equal ones the leftmost") {
  lethe::MergeRules rules(3);
  rules.add(1, 1, 0, 2);  // a a -> A
  rules.add(2, 1, 1, 3);  // A a -> B
  rules.add(2, 2, 2, 4);  // A A -> C
  const auto applied = [&](Tokens tokens) {
    rules.apply(tokens);
    return tokens;
  };
  CHECK(applied({}) == Tokens{});
  CHECK(applied({1}) == Tokens{1});
  CHECK(applied({1, 1}) == Tokens{2});
  CHECK(applied({1, 1, 1}) == Tokens{3});
  CHECK(applied({1, 1, 1, 1}) == Tokens{4});
  CHECK(applied({1, 1, 1, 1, 1}) == Tokens{2, 3});
  CHECK(applied({9, 1, 1, 9}) == Tokens{9, 2, 9});
}

TEST_CASE("a rule for a known pair replaces it") {
  lethe::MergeRules rules;
  rules.add(1, 2, 0, 3);
  rules.add(1, 2, 5, 4);
  Tokens tokens = {1, 2};
  rules.apply(tokens);
  CHECK(tokens == Tokens{4});
}

TEST_CASE("merges equal those of a plain implementation on random rules and words") {
  lethe::Random random(7);
  for (int round = 0; round < 60; ++round) {
    Rules plain;
    lethe::MergeRules rules;
    int32_t tokens = 4;
    for (int32_t rank = 0; rank < 40; ++rank) {
      const auto left = static_cast<int32_t>(random.below(tokens));
      const auto right = static_cast<int32_t>(random.below(tokens));
      if (plain.count({left, right}) > 0) continue;
      plain[{left, right}] = {rank, tokens};
      rules.add(left, right, rank, tokens++);
    }
    for (int word = 0; word < 20; ++word) {
      Tokens letters(random.below(30));
      for (int32_t& letter : letters) letter = static_cast<int32_t>(random.below(4));
      const Tokens expected = merged_plainly(letters, plain);
      rules.apply(letters);
      REQUIRE(letters == expected);
    }
  }
}

TEST_CASE("a long word takes no quadratic time") {
  lethe::MergeRules rules(18);
  for (int32_t i = 0; i < 18; ++i) rules.add(i, i, i, i + 1);
  Tokens tokens(1 << 18, 0);
  rules.apply(tokens);
  CHECK(tokens == Tokens{18});
}
