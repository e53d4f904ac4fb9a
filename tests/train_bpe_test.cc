// A byte-level BPE learned from a text that can be counted by hand.
#include "core/text/train_bpe.h"

#include <catch2/catch.hpp>
#include <map>

#include "core/random.h"
#include "core/text/unicode.h"
#include "tests/tokenizer_case.h"

using Merges = std::vector<std::pair<std::string, std::string>>;

namespace {

Merges learned(const std::string& text, int64_t merges, std::vector<std::string> special = {}) {
  lethe::BpeTrainer trainer(special);
  trainer.add_text("text", text);
  return trainer.train(256 + static_cast<int64_t>(special.size()) + merges).merges;
}

/// Counts all pairs of all words again for each merge.
Merges learned_plainly(const std::vector<std::vector<std::string>>& words, size_t count) {
  auto split = words;
  Merges merges;
  while (merges.size() < count) {
    std::map<std::pair<std::string, std::string>, int> pairs;
    for (const auto& word : split) {
      for (size_t i = 0; i + 1 < word.size(); ++i) ++pairs[{word[i], word[i + 1]}];
    }
    if (pairs.empty()) break;
    auto best = pairs.begin();
    for (auto one = pairs.begin(); one != pairs.end(); ++one) {
      if (one->second >= best->second) best = one;  // the map is in ascending order
    }
    merges.push_back(best->first);
    for (auto& word : split) {
      std::vector<std::string> joined;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool both = i + 1 < word.size() && word[i] == best->first.first &&
                          word[i + 1] == best->first.second;
        joined.push_back(both ? word[i] + word[i + 1] : word[i]);
        if (both) ++i;
      }
      word = joined;
    }
  }
  return merges;
}

}  // namespace

TEST_CASE("the most frequent pair is joined first, and of equal ones the greatest") {
  // Words: "aab" twice with and without a space, "bc". ab 3, aa 3, " a" 2, bc 1.
  CHECK(learned("aab aab aab", 3) == Merges{{"a", "b"}, {"a", "ab"}, {" ", "aab"}});
  CHECK(learned("bc bc", 1) == Merges{{"b", "c"}});
  CHECK(learned("xy ab", 2) == Merges{{"x", "y"}, {"a", "b"}});
  CHECK(learned("aaaa", 9) == Merges{{"a", "a"}, {"aa", "aa"}});
}

TEST_CASE("pairs cross neither words nor special tokens") {
  CHECK(learned("a<x>b<x>a<x>b", 5, {"<x>"}).empty());
  CHECK(learned("1a1a", 5).empty());
}

TEST_CASE("merges equal those of a plain implementation on random words") {
  lethe::Random random(11);
  for (int round = 0; round < 10; ++round) {
    std::string text;
    std::vector<std::vector<std::string>> words;
    for (int w = 0; w < 40; ++w) {
      std::string word = w > 0 ? " " : "";
      for (int64_t left = 1 + random.below(8); left > 0; --left) {
        word += static_cast<char>('a' + random.below(3));
      }
      text += word;
      auto& letters = words.emplace_back();
      for (const char c : word) letters.emplace_back(1, c);
    }
    REQUIRE(learned(text, 60) == learned_plainly(words, 60));
  }
}

TEST_CASE("what is written is loaded again, special tokens first") {
  const Scratch scratch;
  lethe::BpeTrainer trainer({"<|endoftext|>", "<pad>"});
  trainer.add_text("text", "low lower lowest<|endoftext|>new newer newest \xc3\xa9t\xc3\xa9");
  const lethe::TrainedBpe trained = trainer.train(270);
  lethe::write_tokenizer(trained, scratch.path("out"));
  const auto tokenizer = lethe::load_tokenizer(scratch.path("out"));
  CHECK(tokenizer->vocabulary_size() == 270);
  CHECK(tokenizer->id_of("<|endoftext|>") == 0);
  CHECK(tokenizer->id_of("<pad>") == 1);
  CHECK(tokenizer->id_of("!") == 2);
  CHECK(tokenizer->begin_id() == 0);
  CHECK(tokenizer->end_id() == 0);
  const std::string text = "lowest <|endoftext|>\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80\n";
  const ExpectedIds ids = tokenizer->encode(text);
  CHECK(tokenizer->decode_with_special(ids) == text);
  CHECK(ids.size() < 16);
  // vocab.json and merges.txt alone say the same.
  std::filesystem::remove(scratch.path("out/tokenizer.json"));
  CHECK(lethe::load_tokenizer(scratch.path("out"))->encode(text) == ids);
  CHECK(file_bytes(scratch.path("out/merges.txt")).starts_with("#version: 0.2\nw e\n"));
}

TEST_CASE("what can't be trained on is refused") {
  CHECK_THROWS_WITH(lethe::BpeTrainer({"<s>"}).train(256),
                    "a vocabulary of 256 is too small; expected at least 257: 256 bytes and 1 "
                    "special tokens");
  CHECK_THROWS_WITH(lethe::BpeTrainer({"<s>", "<s>"}),
                    "special token '<s>' stands twice; leave one out");
  CHECK_THROWS_WITH(lethe::BpeTrainer({""}),
                    "a special token is empty; give it a text such as <|endoftext|>");
  lethe::BpeTrainer trainer({});
  CHECK_THROWS_WITH(trainer.add_text("x.txt", "a\xff"),
                    "x.txt is not valid UTF-8 at byte 1 (0xff); convert it to UTF-8");
  const Scratch scratch;
  scratch.write("file", "");
  CHECK_THROWS_WITH(lethe::write_tokenizer(trainer.train(256), scratch.path("file")),
                    Catch::Contains("file"));
}
