#include "core/formats/utf8.h"

#include <catch2/catch.hpp>
#include <string>

using lethe::code_points;
using lethe::invalid_utf8_at;

TEST_CASE("valid UTF-8 of one to four bytes has no bad byte") {
  CHECK_FALSE(invalid_utf8_at(""));
  CHECK_FALSE(invalid_utf8_at("a\u00e9\u20ac\U0001f600\u007f"));
  CHECK_FALSE(invalid_utf8_at("\xf4\x8f\xbf\xbf"));  // U+10FFFF
}

TEST_CASE("the offset of the first bad byte is found") {
  CHECK(invalid_utf8_at("ab\xff") == 2);
  CHECK(invalid_utf8_at("\x80") == 0);              // a continuation alone
  CHECK(invalid_utf8_at("a\xe2\x82") == 1);         // cut short
  CHECK(invalid_utf8_at("\xc0\xaf") == 0);          // overlong
  CHECK(invalid_utf8_at("\xe0\x80\xaf") == 0);      // overlong
  CHECK(invalid_utf8_at("\xed\xa0\x80") == 0);      // a surrogate
  CHECK(invalid_utf8_at("\xf4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(invalid_utf8_at("\u00e9\xe9 caf") == 2);    // Latin 1
}

TEST_CASE("code points are counted, bad bytes each as one of their own") {
  CHECK(code_points("a\u00e9\U0001f600") == std::vector<uint32_t>{'a', 0xe9, 0x1f600});
  CHECK(code_points("\xff\xfe") == std::vector<uint32_t>{0x1100ff, 0x1100fe});
}

TEST_CASE("blanks, tabs and line breaks at the ends are trimmed") {
  CHECK(lethe::trimmed(" \r\n a b\t") == "a b");
  CHECK(lethe::trimmed(" \n").empty());
}
