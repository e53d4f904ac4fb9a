// Names of the formats that a base weight can have. Free of libtorch.
#pragma once

#include <string>
#include <vector>

namespace lethe {

/// float, bf16, int8, nf4, nf4-dq (NF4 with nested scales), fp4, fp4-dq: all but float are frozen.
const std::vector<std::string>& base_formats();

/// Whether a format has 4-bit codes in blocks: nf4, fp4 and their nested forms.
inline bool is_four_bit(const std::string& format) {
  return format.starts_with("nf4") || format.starts_with("fp4");
}

/// Of the models' options `block` and `skip`.
constexpr const char* kBlockDoc = "values a constant of a 4-bit base, a power of two";
constexpr const char* kSkipDoc =
    "Linears that stay float under a base of fewer bits: name endings joined by commas";

}  // namespace lethe
