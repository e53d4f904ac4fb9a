#include "core/text/byte_letters.h"

#include <array>

#include "core/text/unicode.h"

namespace lethe {
namespace {

constexpr int kLetters = 256 + 68;  // code points from 0 up to the last letter

struct Letters {
  std::array<std::string, 256> of_byte;
  std::array<int16_t, kLetters> byte_of{};
};

bool prints(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

Letters make_letters() {
  Letters letters;
  letters.byte_of.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int letter = prints(byte) ? byte : next++;
    append_utf8(letters.of_byte[byte], static_cast<char32_t>(letter));
    letters.byte_of[letter] = static_cast<int16_t>(byte);
  }
  return letters;
}

const Letters& letters() {
  static const Letters made = make_letters();
  return made;
}

}  // namespace

std::string_view letter_of(uint8_t byte) { return letters().of_byte[byte]; }

std::string letters_of(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += letter_of(static_cast<uint8_t>(byte));
  return text;
}

std::optional<std::string> bytes_of(std::string_view letters_text) {
  std::string bytes;
  for (size_t at = 0; at < letters_text.size();) {
    const char32_t c = next_code_point(letters_text, at);
    const int byte = c < kLetters ? letters().byte_of[c] : -1;
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace lethe
