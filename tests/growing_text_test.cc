// The text of a row while it is generated: the same as of the whole row, from a few ids at a time.
#include "experiments/growing_text.h"

#include <catch2/catch.hpp>

using namespace lethe;
using Ids = std::vector<int64_t>;

namespace {

/// Bytes, and how many ids were decoded.
class CountingBytes : public WordTokenizer {
 public:
  CountingBytes() : WordTokenizer({}) {}
  std::string decode(const Ids& ids) const override {
    decoded += ids.size();
    return WordTokenizer::decode(ids);
  }
  mutable size_t decoded = 0;
};

/// The texts after each id.
std::vector<std::string> grown(const Tokenizer& tokenizer, const Ids& ids) {
  GrowingText text(tokenizer);
  std::vector<std::string> texts;
  for (size_t count = 1; count <= ids.size(); ++count) {
    text.grow({ids.begin(), ids.begin() + static_cast<int64_t>(count)});
    texts.push_back(text.text());
  }
  return texts;
}

}  // namespace

TEST_CASE("a growing text has whole characters and ends as the row's") {
  const WordTokenizer tokenizer({});
  const std::string u = "\xC3\xBC", euro = "\xE2\x82\xAC";
  CHECK(grown(tokenizer, tokenizer.encode("a" + u + "b")) ==
        std::vector<std::string>{"a", "a", "a" + u, "a" + u + "b"});
  CHECK(grown(tokenizer, tokenizer.encode(euro + "!")) ==
        std::vector<std::string>{"", "", euro, euro + "!"});
  std::string all;
  for (int i = 0; i < 50; ++i) all += i % 3 == 0 ? u : i % 3 == 1 ? euro : "x y";
  CHECK(grown(tokenizer, tokenizer.encode(all)).back() == all);
}

TEST_CASE("bytes that make no character are waited for a little, not for ever") {
  const WordTokenizer tokenizer({});
  const std::string bad(20, '\xFF');
  const auto texts = grown(tokenizer, tokenizer.encode("a" + bad + "b"));
  CHECK(texts[5] == "a");
  CHECK(texts.back().size() >= 17);
  CHECK(texts.back() == ("a" + bad + "b").substr(0, texts.back().size()));
}

TEST_CASE("special tokens and ids past the vocabulary have no text") {
  const WordTokenizer tokenizer({});
  CHECK(grown(tokenizer, {2 + 'a', 1, 0, 900, 2 + 'b'}) ==
        std::vector<std::string>{"a", "a", "a", "a", "ab"});
}

TEST_CASE("a row is decoded in time by its length") {
  const CountingBytes tokenizer;
  const Ids ids(1000, 2 + 'a');
  CHECK(grown(tokenizer, ids).back().size() == 1000);
  CHECK(tokenizer.decoded <= 16 * ids.size());
}

TEST_CASE("a stop text is found where it ends in what is new, across what was there") {
  CHECK(new_stop("ab##c", 3, {"##"}) == 2);
  CHECK(new_stop("ab##c", 4, {"##"}) == std::string::npos);  // it was seen before
  CHECK(new_stop("ab##c", 0, {"##", "b#"}) == 1);
  CHECK(new_stop("##", 1, {"##"}) == 0);
  CHECK(new_stop("abc", 1, {}) == std::string::npos);
}
