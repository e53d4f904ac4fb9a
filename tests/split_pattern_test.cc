#include "core/text/split_pattern.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using lethe::Matches;
using Pieces = std::vector<std::string_view>;

namespace {

Pieces pieces_of(const std::string& pattern, std::string_view text,
                 Matches matches = Matches::isolated) {
  Pieces pieces;
  lethe::SplitPattern(pattern, "f.json").split(text, matches, pieces);
  return pieces;
}

}  // namespace

TEST_CASE("GPT-2's pattern cuts contractions, letters, numbers, marks and spaces") {
  CHECK(pieces_of(lethe::kGpt2Pattern, "I'll pay 20 $!  ok\n\n x ") ==
        Pieces{"I", "'ll", " pay", " 20", " $!", " ", " ok", "\n\n", " x", " "});
  CHECK(pieces_of(lethe::kGpt2Pattern, "\xc3\xa9t\xc3\xa9 \xe4\xb8\xad\xc2\xb2") ==
        Pieces{"\xc3\xa9t\xc3\xa9", " \xe4\xb8\xad", "\xc2\xb2"});
  CHECK(pieces_of(lethe::kGpt2Pattern, "").empty());
}

TEST_CASE("matches can be pieces of their own, the gaps, or all there is") {
  CHECK(pieces_of("[0-9]", "a12b", Matches::isolated) == Pieces{"a", "1", "2", "b"});
  CHECK(pieces_of("[0-9]", "a12b", Matches::removed) == Pieces{"a", "b"});
  CHECK(pieces_of("[0-9]", "a12b", Matches::alone) == Pieces{"1", "2"});
  CHECK(pieces_of("[0-9]*", "a1", Matches::isolated) == Pieces{"a", "1"});
}

TEST_CASE("white space is Unicode's, inside a class and outside") {
  const std::string text =
      "a\xc2\x85"
      "b\xe2\x80\xa8"
      "c\xe1\xa0\x8e"
      "d";  // U+0085, 2028, 180E
  const Pieces cut = {"a", "b",
                      "c\xe1\xa0\x8e"
                      "d"};
  CHECK(pieces_of("\\s", text, Matches::removed) == cut);
  CHECK(pieces_of("[\\s]", text, Matches::removed) == cut);
  CHECK(pieces_of("\\S+", text, Matches::alone) == cut);
  CHECK(pieces_of("[^\\s]+", text, Matches::alone) == cut);
}

TEST_CASE("a class inside a class is a union, as in BLOOM's pattern") {
  CHECK(lethe::pcre2_dialect("[^(|[.,!]x])]+", "f") == "[^(|.,!x])]+");
  CHECK(lethe::pcre2_dialect("[]a]\\[[[:alpha:]-]", "f") == "[\\]a]\\[[[:alpha:]-]");
  CHECK(pieces_of(" ?[^(\\s|[.,!?])]+", "so (it|is), ok!", Matches::alone) ==
        Pieces{"so", "it", "is", " ok"});
}

TEST_CASE("a text stands for itself in a literal pattern") {
  CHECK(pieces_of(lethe::literal_pattern("[.] "), "a[.] b", Matches::removed) == Pieces{"a", "b"});
}

TEST_CASE("a pattern that can't be read is refused with its place") {
  CHECK_THROWS_WITH(pieces_of("(ab", ""),
                    "f.json: the pattern '(ab' can't be read at byte 3: missing closing "
                    "parenthesis");
  CHECK_THROWS_WITH(
      pieces_of("[a-z&&[b]]", ""),
      "f.json: the pattern '[a-z&&[b]]' has '&&' inside a class at byte 4, which can't be read");
  CHECK_THROWS_WITH(
      pieces_of("[a[^b]]", ""),
      "f.json: the pattern '[a[^b]]' has '[^' inside a class at byte 2, which can't be read");
}

TEST_CASE("a matcher that gives up says so") {
  CHECK_THROWS_WITH(pieces_of("(a+a+)+\\d", std::string(60, 'a')),
                    "f.json: the pattern fails on a text: match limit exceeded");
}
