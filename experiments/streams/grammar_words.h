// Drawing words. Free of libtorch. Draw at most once in the arguments of one call: their order of
// evaluation, and with it the text, would be the compiler's choice.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/random.h"

namespace lethe {

/// One of the list, each equally likely.
template <class Value>
const Value& pick(const std::vector<Value>& list, Random& random) {
  return list[random.below(static_cast<int64_t>(list.size()))];
}

/// Two different ones of a list of at least two.
inline std::pair<std::string, std::string> pick_two(const std::vector<std::string>& list,
                                                    Random& random) {
  const auto size = static_cast<int64_t>(list.size());
  const int64_t first = random.below(size);
  const int64_t second = (first + 1 + random.below(size - 1)) % size;
  return {list[first], list[second]};
}

inline bool chance(double probability, Random& random) { return random.uniform() < probability; }

}  // namespace lethe
