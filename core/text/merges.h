// The merge rules of byte-pair encoding and what they make of a word. Free of libtorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lethe {

/// Joins two neighbouring tokens into one, the rule with the lowest rank first and of equal ones
/// the leftmost (Sennrich et al. 2016, arXiv:1508.07909, algorithm 1).
class MergeRules {
 public:
  MergeRules() : slots_(16) {}
  explicit MergeRules(size_t rules);

  /// A rule for a pair that has one already replaces it.
  void add(int32_t left, int32_t right, int32_t rank, int32_t joined);

  /// Merges `tokens` in place until no rule applies. O(n log n) for n tokens.
  void apply(std::vector<int32_t>& tokens) const;

 private:
  struct Slot {
    uint64_t pair = kFree;
    int32_t rank = 0, joined = 0;
  };
  static constexpr uint64_t kFree = ~uint64_t{0};
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  const Slot* find(int32_t left, int32_t right) const;
  size_t place(uint64_t pair) const;
  void grow();

  std::vector<Slot> slots_;  // a hash table with open addresses, half full at most
  size_t used_ = 0;
};

}  // namespace lethe
