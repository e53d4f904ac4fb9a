// The letters that stand for bytes in the vocabulary of a byte-level tokenizer. Free of libtorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe {

/// GPT-2's letter of a byte, as UTF-8: bytes 33-126, 161-172 and 174-255 are their own code points,
/// the other 68 take those from U+0100 on, in order ("\u0120" is the space).
std::string_view letter_of(uint8_t byte);

/// The letters of the bytes, joined.
std::string letters_of(std::string_view bytes);

/// The bytes of the letters; nullopt where one stands for no byte.
std::optional<std::string> bytes_of(std::string_view letters);

}  // namespace lethe
