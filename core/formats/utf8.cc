#include "core/formats/utf8.h"

namespace lethe {
namespace {

/// A sequence's length and value; length 0 where none begins at the front of `text`.
struct Sequence {
  size_t length = 0;
  uint32_t value = 0;
};

Sequence sequence_at(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {1, first};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  uint32_t value = first & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fU);
  }
  const uint32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < smallest || value > 0x10ffff || surrogate) return {};
  return {length, value};
}

}  // namespace

std::optional<size_t> invalid_utf8_at(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = sequence_at(text.substr(at)).length;
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::vector<uint32_t> code_points(std::string_view text) {
  constexpr uint32_t kBadByte = 0x110000;
  std::vector<uint32_t> points;
  for (size_t at = 0; at < text.size();) {
    const Sequence found = sequence_at(text.substr(at));
    points.push_back(found.length > 0 ? found.value : kBadByte + static_cast<uint8_t>(text[at]));
    at += found.length > 0 ? found.length : 1;
  }
  return points;
}

std::string_view trimmed(std::string_view text) {
  const char* const blank = " \t\r\n";
  const size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

}  // namespace lethe
