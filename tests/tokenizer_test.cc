#include "core/text/tokenizer.h"

#include <rapidcheck.h>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/text/made_text.h"
#include "experiments/streams/grammar.h"
#include "experiments/streams/lexicon.h"

using lethe::text_pieces;
using lethe::WordTokenizer;
using Ids = std::vector<int64_t>;
using Pieces = std::vector<std::string_view>;

namespace {

/// Random bytes, or words, marks, digits and spaces in any order, where the cuts are hardest.
std::string any_text() {
  if (*rc::gen::arbitrary<bool>()) return *rc::gen::arbitrary<std::string>();
  const auto parts = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      " ", "  ", "the", " film", "films", "12", ".", "\n", "\xc3\xa9", std::string(1, '\0')));
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

/// Every text that the grammars wrote, prompts and responses alike.
std::vector<std::string> grammar_texts() {
  std::vector<std::string> texts = lethe::distinct_texts(4000, 1);
  for (const lethe::Grammar& grammar : lethe::grammars()) {
    for (const lethe::TextPair& pair : lethe::distinct_pairs(grammar.name, 2000, 1)) {
      texts.push_back(pair.prompt);
      texts.push_back(pair.response);
    }
  }
  return texts;
}

}  // namespace

TEST_CASE("text is cut into letters, single digits and marks, each with one space before") {
  CHECK(text_pieces("the film") == Pieces{"the", " film"});
  CHECK(text_pieces("x1 23.5") == Pieces{"x", "1", " 2", "3", ".", "5"});
  CHECK(text_pieces("a  b\n c ") == Pieces{"a", " ", " b", "\n", " c", " "});
  CHECK(text_pieces("z //2") == Pieces{"z", " /", "/", "2"});
  CHECK(text_pieces(" \xc3\xa9") == Pieces{" ", "\xc3", "\xa9"});
  CHECK(text_pieces("").empty());
}

TEST_CASE("a listed piece is one id and any other its bytes") {
  const WordTokenizer tokenizer({"the", " film", " 3"});
  CHECK(tokenizer.vocabulary_size() == 2 + 256 + 3);
  // Words from 258 in order; byte b is 2 + b: '.' 46, ' ' 32, 't' 116, 'h' 104, 'e' 101, '3' 51.
  CHECK(tokenizer.encode("the film.") == Ids{258, 259, 48});
  CHECK(tokenizer.encode(" the 33") == Ids{34, 118, 106, 103, 260, 53});
  CHECK(tokenizer.encode(std::string_view("\0\xff", 2)) == Ids{2, 257});
  CHECK(tokenizer.encode("").empty());
}

TEST_CASE("special tokens have no text") {
  const WordTokenizer tokenizer({"the", " film"});
  CHECK(tokenizer.pad_id() == 0);
  CHECK(tokenizer.end_id() == 1);
  CHECK(tokenizer.begin_id() == std::nullopt);
  CHECK(tokenizer.decode({258, 259, 1, 0, 0}) == "the film");
}

TEST_CASE("tokens have a spelling and are found by it") {
  const WordTokenizer tokenizer({"the", " film"});
  CHECK(tokenizer.token(0) == "<pad>");
  CHECK(tokenizer.token(1) == "<end>");
  CHECK(tokenizer.token(2 + 'a') == "a");
  CHECK(tokenizer.token(259) == " film");
  for (int64_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    CHECK(tokenizer.id_of(tokenizer.token(id)) == id);
  }
  CHECK(tokenizer.id_of("film") == std::nullopt);
  CHECK(tokenizer.decode_with_special({258, 259, 1, 0}) == "the film<end><pad>");
  CHECK(tokenizer.unknown_id() == std::nullopt);
  CHECK(tokenizer.marks().before.empty());
  CHECK_THROWS_WITH(tokenizer.token(260),
                    "token id 260 is outside the vocabulary; expected 0 to 259");
}

TEST_CASE("an id outside the vocabulary is refused") {
  const WordTokenizer tokenizer({"the"});
  CHECK_THROWS_WITH(tokenizer.decode({258, 259}),
                    "token id 259 is outside the vocabulary; expected 0 to 258");
  CHECK_THROWS_WITH(tokenizer.decode({-1}),
                    "token id -1 is outside the vocabulary; expected 0 to 258");
}

TEST_CASE("a word that no text could yield is refused") {
  const auto message = [](const std::string& word) {
    return "word '" + word +
           "' of the tokenizer's list is not one piece of at least two bytes; expected letters, a "
           "digit "
           "or a punctuation mark, with at most one space before";
  };
  for (const char* word : {"two words", "x1", "  the", "\n ", ".", "", "\xc3\xa9"}) {
    CHECK_THROWS_WITH(WordTokenizer({word}), message(word));
  }
  CHECK_THROWS_WITH(WordTokenizer({"the", " a", "the"}),
                    "word 'the' stands twice in the tokenizer's list; leave one out");
}

TEST_CASE("decoding what was encoded gives back any bytes") {
  const WordTokenizer tokenizer({"the", " the", " film", " 1", " ."});
  CHECK(rc::check([&] {
    const std::string text = any_text();
    RC_ASSERT(tokenizer.decode(tokenizer.encode(text)) == text);
    std::string joined;
    for (const std::string_view piece : text_pieces(text)) joined += piece;
    RC_ASSERT(joined == text);
  }));
}

TEST_CASE("the built-in vocabulary is small, and the grammars use and need just its words") {
  const WordTokenizer tokenizer(lethe::builtin_words());
  CHECK(tokenizer.vocabulary_size() == 470);
  std::vector<bool> used(tokenizer.vocabulary_size());
  std::vector<std::string> spelled;
  for (const std::string& text : grammar_texts()) {
    for (const std::string_view piece : text_pieces(text)) {
      const Ids ids = tokenizer.encode(piece);
      if (ids.size() > 1) spelled.emplace_back(piece);
      for (const int64_t id : ids) used[id] = true;
    }
  }
  CHECK(spelled.empty());
  std::vector<std::string> idle;
  for (size_t word = 0; word < tokenizer.words().size(); ++word) {
    if (!used[WordTokenizer::kFirstWord + word]) idle.push_back(tokenizer.words()[word]);
  }
  CHECK(idle.empty());
}

TEST_CASE("ids past the vocabulary, with which a model's table is padded, have no text") {
  const WordTokenizer tokenizer({"the", " film"});
  const int64_t words = WordTokenizer::kFirstWord;
  CHECK(lethe::made_text(tokenizer, {words, words + 2, words + 1, 50000}) == "the film");
  CHECK(lethe::made_text(tokenizer, {}).empty());
}
