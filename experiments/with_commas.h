// Digits in groups of three.
#pragma once

#include <cstdint>
#include <string>

namespace lethe {

/// "1234567" as 1,234,567.
inline std::string with_commas(std::string digits) {
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

inline std::string with_commas(int64_t value) { return with_commas(std::to_string(value)); }

}  // namespace lethe
