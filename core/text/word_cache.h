// Words that were encoded lately. Free of libtorch.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

namespace lethe {

/// Short words with their ids in a table of fixed size: a word replaces another whose place it
/// takes. Longer words, and those of many ids, aren't kept.
class WordCache {
 public:
  static constexpr size_t kLongest = 26;  ///< bytes
  static constexpr size_t kMostIds = 9;

  WordCache() : slots_(kSlots) {}

  /// Appends the word's ids and returns true where it is known.
  bool append(std::string_view word, std::vector<int64_t>& ids) const {
    if (word.size() > kLongest) return false;
    const Slot& slot = slots_[place(word)];
    if (slot.bytes != word.size() || std::memcmp(slot.word.data(), word.data(), word.size()) != 0) {
      return false;
    }
    ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + slot.count);
    return true;
  }

  /// `word` is not empty.
  void keep(std::string_view word, const std::vector<int32_t>& ids) {
    if (word.size() > kLongest || ids.size() > kMostIds) return;
    Slot& slot = slots_[place(word)];
    slot.bytes = static_cast<uint8_t>(word.size());
    slot.count = static_cast<uint8_t>(ids.size());
    std::memcpy(slot.word.data(), word.data(), word.size());
    std::copy(ids.begin(), ids.end(), slot.ids.begin());
  }

 private:
  struct alignas(64) Slot {  // a cache line
    std::array<int32_t, kMostIds> ids = {};
    uint8_t bytes = 0, count = 0;
    std::array<char, kLongest> word = {};
  };
  static_assert(sizeof(Slot) == 64);
  static constexpr size_t kSlots = 1 << 15;  // 2 MB in all

  static size_t place(std::string_view word) {
    return std::hash<std::string_view>()(word) & (kSlots - 1);
  }

  std::vector<Slot> slots_;
};

}  // namespace lethe
