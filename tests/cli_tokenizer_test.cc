// `lethe tokenizer`: what it writes, prints and refuses.
#include <catch2/catch.hpp>

#include "tests/program.h"

using Catch::Contains;
using Words = std::vector<std::string>;

TEST_CASE("a tokenizer is trained, and encodes and decodes") {
  const Scratch scratch;
  scratch.write("a.txt", "aab aab aab<|endoftext|>");
  const Ended trained = lethe_run(scratch, {"tokenizer", "train", "--input", "a.txt", "--vocab",
                                            "260", "--out", "made", "--special", "<|endoftext|>"});
  CHECK(trained.err.empty());
  CHECK(trained.out == "tokenizer: made (260 tokens, 3 merges)\n");
  CHECK(file_bytes(scratch.path("made/merges.txt")) == "#version: 0.2\na b\na ab\n\xc4\xa0 aab\n");
  const auto encode = [&](Words more) {
    Words words = {"tokenizer", "encode", "--tokenizer", "made"};
    words.insert(words.end(), more.begin(), more.end());
    return lethe_run(scratch, words).out;
  };
  CHECK(encode({"aab aab!"}) == "258 259 1\n");
  CHECK(encode({""}) == "\n");
  CHECK(encode({"--tokens", " aab<|endoftext|>"}) ==
        "259\t\xc4\xa0"
        "aab\n0\t<|endoftext|>\n");
  const auto decode = [&](Words more) {
    Words words = {"tokenizer", "decode", "--tokenizer", "made"};
    words.insert(words.end(), more.begin(), more.end());
    return lethe_run(scratch, words).out;
  };
  CHECK(decode({"258", "259", "0"}) == "aab aab\n");
  CHECK(decode({"--keep-special", "258", "259", "0"}) == "aab aab<|endoftext|>\n");
}

TEST_CASE("a text with too few pairs gives a smaller vocabulary, with a note") {
  const Scratch scratch;
  scratch.write("a.txt", "ab");
  const Ended ended = lethe_run(
      scratch, {"tokenizer", "train", "--input", "a.txt", "--vocab", "300", "--out", "made"});
  CHECK(ended.code == 0);
  CHECK(ended.out == "tokenizer: made (257 tokens, 1 merges)\n");
  CHECK(ended.err == "note: 43 tokens fewer than asked: the text has no further pairs\n");
}

TEST_CASE("wrong use of lethe tokenizer has exit code 2 and says what is wrong") {
  const Scratch scratch;
  scratch.write("bad.txt", "a\xff");
  check_refused(scratch,
                {{{"tokenizer"}, "A subcommand is required"},
                 {{"tokenizer", "encode", "x"}, "--tokenizer is required"},
                 {{"tokenizer", "encode", "--tokenizer", "none", "x"},
                  "error: there is no folder none; give the folder that holds a tokenizer's "
                  "files\n"},
                 {{"tokenizer", "train", "--input", "none.txt", "--vocab", "300", "--out", "o"},
                  "error: cannot open none.txt: No such file or directory\n"},
                 {{"tokenizer", "train", "--input", "bad.txt", "--vocab", "300", "--out", "o"},
                  "error: bad.txt is not valid UTF-8 at byte 1 (0xff); convert it to UTF-8\n"}});
  CHECK_FALSE(std::filesystem::exists(scratch.path("o")));
}
