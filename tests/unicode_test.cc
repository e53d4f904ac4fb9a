#include "core/text/unicode.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/text/byte_letters.h"

using lethe::NormalForm;

TEST_CASE("valid UTF-8 ends where Unicode's table ends it") {
  CHECK(lethe::valid_utf8("") == 0);
  CHECK(lethe::valid_utf8("abc\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80") == 12);
  for (const std::string bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x8f\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe4\xb8", "\xff"}) {
    CAPTURE(bad);
    CHECK(lethe::valid_utf8("0123456789" + bad) == 10);
  }
}

TEST_CASE("each maximal invalid part becomes one replacement character") {
  const std::string r = "\xef\xbf\xbd";
  // The example of the Unicode Standard, table 3-8, and its neighbours.
  CHECK(lethe::replace_invalid_utf8("a\xf1\x80\x80\xe1\x80\xc2"
                                    "b\x80"
                                    "c\x80\xbf"
                                    "d") == "a" + r + r + r + "b" + r + "c" + r + r + "d");
  CHECK(lethe::replace_invalid_utf8("\xed\xa0\x80") == r + r + r);
  CHECK(lethe::replace_invalid_utf8("x\xe4\xb8") == "x" + r);
}

TEST_CASE("invalid text is refused by its byte") {
  CHECK_NOTHROW(lethe::require_utf8("a text", "\xc3\xa9"));
  CHECK_THROWS_WITH(lethe::require_utf8("a text", "ab\xff"),
                    "a text is not valid UTF-8 at byte 2 (0xff); convert it to UTF-8");
}

TEST_CASE("normal forms, lower case and accents") {
  CHECK(lethe::normalized("e\xcc\x81", NormalForm::nfc) == "\xc3\xa9");
  CHECK(lethe::normalized("\xc3\xa9", NormalForm::nfd) == "e\xcc\x81");
  CHECK(lethe::normalized("\xef\xac\x81", NormalForm::nfkc) == "fi");
  CHECK(lethe::normalized("\xef\xac\x81", NormalForm::nfc) == "\xef\xac\x81");
  CHECK(lethe::normalized("\xc2\xbd", NormalForm::nfkd) ==
        "1\xe2\x81\x84"
        "2");
  CHECK(lethe::normalized(std::string_view("a\0\xc3\xa9", 4), NormalForm::nfd) ==
        std::string("a\0e\xcc\x81", 5));
  CHECK(lethe::lower_case("\xc3\x89T\xce\xa3\xc4\xb0") == "\xc3\xa9t\xcf\x83i\xcc\x87");
  CHECK(lethe::without_accents("\xc3\xa9\xc3\xbc"
                               "o") == "euo");
}

TEST_CASE("kinds of characters") {
  for (const char32_t c : {U' ', U'\t', U'\r', U'\x85', U'\xa0', U'\x2028', U'\x3000'}) {
    CHECK(lethe::is_space(c));
  }
  for (const char32_t c : {U'a', U'\x1c', U'\x200b', U'\x180e'}) CHECK_FALSE(lethe::is_space(c));
  for (const char32_t c : {U'$', U'~', U'\xbf', U'\x3002'}) CHECK(lethe::is_punctuation(c));
  for (const char32_t c : {U'a', U' ', U'\x20ac'}) CHECK_FALSE(lethe::is_punctuation(c));
  for (const char32_t c : {U'\0', U'\x7f', U'\xad', U'\xe000', U'\x378'}) {
    CHECK(lethe::is_control(c));
  }
  for (const char32_t c : {U'\t', U'\n', U'a'}) CHECK_FALSE(lethe::is_control(c));
  CHECK(lethe::leading_space(" \xe3\x80\x80"
                             "a ") == 4);
  CHECK(lethe::trailing_space("a \xe3\x80\x80") == 4);
  CHECK(lethe::trailing_space(" ") == 1);
}

TEST_CASE("bytes have GPT-2's letters and come back from them") {
  CHECK(lethe::letter_of(' ') == "\xc4\xa0");
  CHECK(lethe::letter_of('\n') == "\xc4\x8a");
  CHECK(lethe::letter_of('a') == "a");
  CHECK(lethe::letter_of(0xad) == "\xc5\x83");  // the last: U+0143
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(lethe::bytes_of(lethe::letters_of(all)) == all);
  CHECK(lethe::bytes_of("a b") == std::nullopt);  // a plain space is no letter
  CHECK(lethe::bytes_of("\xc5\x84") == std::nullopt);
}
