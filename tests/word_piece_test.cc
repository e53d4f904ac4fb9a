// WordPiece with a small vocabulary, worked out by hand.
#include "core/text/word_piece.h"

#include <catch2/catch.hpp>

#include "tests/tokenizer_case.h"

using lethe::load_tokenizer;
using Words = std::vector<std::string>;

namespace {

const std::string kVocab =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nhello\n,\n!\n\xe4\xb8\xad\n"
    "\xe5\x9b\xbd\ncafe\n##s\ndon\n'\nt\na\n##a\nHello\n";
enum : int64_t { pad, unk, cls, sep, mask, un, aff, able, hello, comma, shout, zhong, guo, cafe };
enum : int64_t { s = cafe + 1, don, quote, t, a, more_a, big_hello };

std::shared_ptr<const lethe::Tokenizer> by_hand(const Scratch& scratch,
                                                const std::string& config = "{}") {
  scratch.write("vocab.txt", kVocab);
  scratch.write("tokenizer_config.json", config);
  return load_tokenizer(scratch.folder());
}

}  // namespace

TEST_CASE("words are cut into the longest known pieces, from the left") {
  const Scratch scratch;
  const auto tokenizer = by_hand(scratch);
  CHECK(tokenizer->encode("Unaffable, h\xc3\xa9llo!") ==
        ExpectedIds{un, aff, able, comma, hello, shout});
  CHECK(tokenizer->encode("unaffab hello") == ExpectedIds{unk, hello});
  CHECK(tokenizer->encode("don't CAF\xc3\x89S") == ExpectedIds{don, quote, t, cafe, s});
  CHECK(tokenizer->encode("\xe4\xb8\xad\xe5\x9b\xbd") == ExpectedIds{zhong, guo});
  CHECK(tokenizer->encode(" \t\n") == ExpectedIds{});
  CHECK(tokenizer->encode(std::string("he\0l\xc2\xadlo\xc2\xa0hello", 15)) ==
        ExpectedIds{hello, hello});
  CHECK(tokenizer->encode("[MASK]hello [mask]") == ExpectedIds{mask, hello, unk, unk, unk});
}

TEST_CASE("a word of 100 characters is cut, one of 101 is unknown") {
  const Scratch scratch;
  const auto tokenizer = by_hand(scratch);
  ExpectedIds letters(100, more_a);
  letters[0] = a;
  CHECK(tokenizer->encode(std::string(100, 'a')) == letters);
  CHECK(tokenizer->encode(std::string(101, 'a')) == ExpectedIds{unk});
}

TEST_CASE("case, accents and ideographs stay as tokenizer_config.json asks") {
  const Scratch scratch;
  const auto cased = by_hand(scratch, "{\"do_lower_case\": false}");
  CHECK(cased->encode("Hello hello caf\xc3\xa9") == ExpectedIds{big_hello, hello, unk});
  const auto plain = by_hand(scratch, "{\"do_lower_case\": false, \"strip_accents\": true}");
  CHECK(plain->encode("caf\xc3\xa9") == ExpectedIds{cafe});
  const auto joined = by_hand(scratch, "{\"tokenize_chinese_chars\": false}");
  CHECK(joined->encode("\xe4\xb8\xad\xe5\x9b\xbd") == ExpectedIds{unk});
}

TEST_CASE("BERT's marks stand around one text and two") {
  const Scratch scratch;
  const auto tokenizer = by_hand(scratch);
  CHECK(lethe::encode_marked(*tokenizer, "hello!") == ExpectedIds{cls, hello, shout, sep});
  CHECK(lethe::encode_marked(*tokenizer, "hello!", 3) == ExpectedIds{cls, hello, sep});
  const auto pair = lethe::encode_pair(*tokenizer, "hello", "un!");
  CHECK(pair.ids == ExpectedIds{cls, hello, sep, un, shout, sep});
  CHECK(pair.types == ExpectedIds{0, 0, 0, 1, 1, 1});
  CHECK_THROWS_WITH(lethe::encode_marked(*tokenizer, "hello", 1),
                    "a row of at most 1 ids has no room for the tokenizer's 2 marks; raise the "
                    "limit");
}

TEST_CASE("decoding joins pieces and drops the spaces that English has not") {
  const Scratch scratch;
  const auto tokenizer = by_hand(scratch);
  const ExpectedIds ids = {cls, un, aff, able, comma, cafe, s, shout, sep, pad};
  CHECK(tokenizer->decode(ids) == "unaffable, cafes!");
  CHECK(tokenizer->decode_with_special(ids) == "[CLS] unaffable, cafes! [SEP] [PAD]");
  CHECK(tokenizer->pad_id() == pad);
  CHECK(tokenizer->unknown_id() == unk);
  CHECK_THROWS_WITH(tokenizer->end_id(), "the tokenizer of " + scratch.folder() +
                                             " names no end token; add \"eos_token\" to its "
                                             "tokenizer_config.json");
  CHECK_THROWS_WITH(tokenizer->decode({21}),
                    "token id 21 is outside the vocabulary; expected 0 to 20");
}

TEST_CASE("text that is no UTF-8 is refused") {
  const Scratch scratch;
  CHECK_THROWS_WITH(by_hand(scratch)->encode("hi\xff"),
                    "a text is not valid UTF-8 at byte 2 (0xff); convert it to UTF-8");
}

TEST_CASE("tokenizer.json says the same in its own words") {
  const Scratch scratch;
  scratch.write("tokenizer.json",
                "{\"added_tokens\": [{\"id\": 1, \"content\": \"[CLS]\", \"special\": true}, "
                "{\"id\": 2, \"content\": \"[SEP]\", \"special\": true}], "
                "\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": true}, "
                "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "
                "\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], "
                "\"cls\": [\"[CLS]\", 1]}, \"model\": {\"type\": \"WordPiece\", "
                "\"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"@\", "
                "\"max_input_chars_per_word\": 4, "
                "\"vocab\": {\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"ab\": 3, \"@c\": 4}}}");
  const auto tokenizer = load_tokenizer(scratch.folder());
  CHECK(lethe::encode_marked(*tokenizer, "ABC abccc") == ExpectedIds{1, 3, 4, 0, 2});
  CHECK(tokenizer->decode({1, 3, 4, 3, 2}) == "abc ab");
}

TEST_CASE("basic words are runs without spaces, and single marks") {
  CHECK(lethe::basic_words("Ab-c  d\xe3\x80\x82", {.lower_case = false}) ==
        Words{"Ab", "-", "c", "d", "\xe3\x80\x82"});
}
