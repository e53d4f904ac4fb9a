// Text as bytes: whether they are UTF-8, its code points, its ends. Free of libtorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lethe {

/// The offset of the first byte that begins no valid UTF-8 sequence (RFC 3629: no overlong forms,
/// no surrogates, nothing above U+10FFFF); nullopt where all of `text` is valid.
std::optional<size_t> invalid_utf8_at(std::string_view text);

/// The code points of `text`; a byte that belongs to none counts as one of its own, above
/// U+10FFFF.
std::vector<uint32_t> code_points(std::string_view text);

/// ASCII alone: the functions of <cctype> depend on the locale.
constexpr bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// `text` without blanks, tabs and line breaks at its ends.
std::string_view trimmed(std::string_view text);

}  // namespace lethe
