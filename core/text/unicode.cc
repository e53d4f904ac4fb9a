#include "core/text/unicode.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/error.h"

namespace lethe {
namespace {

uint8_t byte_at(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

/// A character's bytes, or those of the part of it that is there.
struct Extent {
  size_t bytes = 1;
  bool whole = false;
};

/// What a lead byte asks for: how many bytes follow, and the range of the first of them.
struct Lead {
  size_t follow = 0;
  uint8_t low = 0x80, high = 0xbf;
};

Lead lead_of(uint8_t byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return {1};
  if (byte == 0xe0) return {2, 0xa0, 0xbf};
  if (byte == 0xed) return {2, 0x80, 0x9f};
  if (byte >= 0xe1 && byte <= 0xef) return {2};
  if (byte == 0xf0) return {3, 0x90, 0xbf};
  if (byte >= 0xf1 && byte <= 0xf3) return {3};
  if (byte == 0xf4) return {3, 0x80, 0x8f};
  return {0};
}

/// Table 3-7 of the Unicode Standard.
Extent extent_at(std::string_view text, size_t at) {
  if (byte_at(text, at) < 0x80) return {1, true};
  const Lead lead = lead_of(byte_at(text, at));
  uint8_t low = lead.low;
  uint8_t high = lead.high;
  for (size_t i = 1; i <= lead.follow; ++i) {
    if (at + i >= text.size()) return {i, false};
    const uint8_t byte = byte_at(text, at + i);
    if (byte < low || byte > high) return {i, false};
    low = 0x80;
    high = 0xbf;
  }
  return {lead.follow + 1, lead.follow > 0};
}

/// The first byte from `at` on that is not ASCII, or the end.
size_t skip_ascii(std::string_view text, size_t at) {
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080) != 0) break;
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

bool all_ascii(std::string_view text) { return skip_ascii(text, 0) == text.size(); }

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

std::string mapped(std::string_view text, int options) {
  utf8proc_uint8_t* result = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &result,
                                   static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(result, &std::free);
  if (length < 0) fail("text can't be normalised: {}", utf8proc_errmsg(length));
  return {reinterpret_cast<const char*>(result), static_cast<size_t>(length)};
}

/// Appends the lower case of `c`: the one character whose lower case is two, then the simple ones.
void append_lower(std::string& text, char32_t c) {
  if (c == 0x130) {
    text += "i\xcc\x87";
  } else {
    append_utf8(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace

size_t valid_utf8(std::string_view text) {
  size_t at = 0;
  while ((at = skip_ascii(text, at)) < text.size()) {
    const Extent extent = extent_at(text, at);
    if (!extent.whole) break;
    at += extent.bytes;
  }
  return at;
}

size_t invalid_utf8(std::string_view text) {
  if (text.empty()) return 0;
  const Extent extent = extent_at(text, 0);
  return extent.whole ? 0 : extent.bytes;
}

void require_utf8(std::string_view what, std::string_view text) {
  const size_t valid = valid_utf8(text);
  if (valid == text.size()) return;
  fail("{} is not valid UTF-8 at byte {} (0x{:02x}); convert it to UTF-8", what, valid,
       byte_at(text, valid));
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  while (true) {
    const size_t valid = valid_utf8(text);
    result += text.substr(0, valid);
    if (valid == text.size()) return result;
    result += "\xef\xbf\xbd";
    text.remove_prefix(valid);
    text.remove_prefix(invalid_utf8(text));
  }
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const uint8_t lead = byte_at(text, at);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  const size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t c = lead & (0x7f >> bytes);
  for (size_t i = 1; i < bytes; ++i) c = c << 6 | (byte_at(text, at + i) & 0x3f);
  at += bytes;
  return c;
}

void append_utf8(std::string& text, char32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c == 0x85) return true;
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
         kind == UTF8PROC_CATEGORY_ZP;
}

bool is_word(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_ND) ||
         kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_PC || c == 0x200c || c == 0x200d;
}

bool is_punctuation(char32_t c) {
  if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
      (c >= 123 && c <= 126)) {
    return true;
  }
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool is_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_CN || kind >= UTF8PROC_CATEGORY_CC;
}

std::string normalized(std::string_view text, NormalForm form) {
  if (all_ascii(text)) return std::string(text);
  switch (form) {
    case NormalForm::nfc:
      return mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    case NormalForm::nfd:
      return mapped(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    case NormalForm::nfkc:
      return mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case NormalForm::nfkd:
      return mapped(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  }
  return std::string(text);
}

std::string lower_case(std::string_view text) {
  std::string lower;
  for (size_t at = 0; at < text.size();) append_lower(lower, next_code_point(text, at));
  return lower;
}

std::string without_accents(std::string_view text) {
  const std::string decomposed = normalized(text, NormalForm::nfd);
  std::string kept;
  for (size_t at = 0; at < decomposed.size();) {
    const char32_t c = next_code_point(decomposed, at);
    if (category(c) != UTF8PROC_CATEGORY_MN) append_utf8(kept, c);
  }
  return kept;
}

size_t leading_space(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    if (!is_space(next_code_point(text, at))) return start;
  }
  return text.size();
}

size_t trailing_space(std::string_view text) {
  size_t kept = text.size();
  while (kept > 0) {
    size_t start = kept - 1;
    while (start > 0 && (byte_at(text, start) & 0xc0) == 0x80) --start;
    size_t at = start;
    if (!is_space(next_code_point(text, at))) break;
    kept = start;
  }
  return text.size() - kept;
}

}  // namespace lethe
