// Code points, categories and normal forms of UTF-8 text. Free of libtorch; Unicode data by
// utf8proc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lethe {

/// Length in bytes of the longest valid prefix: text.size() where all of it is valid UTF-8.
size_t valid_utf8(std::string_view text);

/// Bytes of the invalid part that `text` starts with, at least 1: what one U+FFFD stands for. 0
/// where the text is empty or starts with a valid character.
size_t invalid_utf8(std::string_view text);

/// Throws Error naming the offset and the value of the first byte that is no valid UTF-8. `what` is
/// the text's name, as in "the text".
void require_utf8(std::string_view what, std::string_view text);

/// `text` with U+FFFD for every maximal part of a character that is cut off or invalid (the Unicode
/// Standard, section 3.9, as Python and Rust decode).
std::string replace_invalid_utf8(std::string_view text);

/// The code point at byte `at`, which moves behind it. `text` is valid UTF-8 and `at` inside it.
char32_t next_code_point(std::string_view text, size_t& at);

void append_utf8(std::string& text, char32_t code_point);

/// Unicode's White_Space.
bool is_space(char32_t c);
/// Letters, digits, marks, connectors and joiners: what a regular expression calls \w.
bool is_word(char32_t c);
/// Unicode's P*, and every ASCII mark that is neither letter, digit nor space.
bool is_punctuation(char32_t c);
/// Unicode's C*, but tab, line feed and carriage return.
bool is_control(char32_t c);

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// `text` in a normal form; `text` is valid UTF-8.
std::string normalized(std::string_view text, NormalForm form);
/// Character by character, without a language's rules.
std::string lower_case(std::string_view text);
/// Decomposed, without its nonspacing marks.
std::string without_accents(std::string_view text);

/// Bytes of white space at the start or the end of valid text.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

}  // namespace lethe
