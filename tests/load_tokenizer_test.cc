// Which files count, and what is said of folders that lack or damage them.
#include "core/text/load_tokenizer.h"

#include <catch2/catch.hpp>

#include "core/digest.h"
#include "tests/tokenizer_case.h"

using lethe::load_tokenizer;

namespace {

const std::string kByteLevel = "\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, ";

std::string bpe(const std::string& more, const std::string& merges = "[\"a b\"]") {
  return "{" + more +
         "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, " +
         "\"merges\": " + merges + "}}";
}

/// What loading says where `name` has this text. `{}` in `message` stands for the folder.
void check_refused(const std::string& name, const std::string& text, std::string message,
                   const std::string& other = "", const std::string& other_text = "") {
  const Scratch scratch;
  scratch.write(name, text);
  if (!other.empty()) scratch.write(other, other_text);
  const size_t at = message.find("{}");
  if (at != std::string::npos) message.replace(at, 2, scratch.folder());
  CHECK_THROWS_WITH(load_tokenizer(scratch.folder()), message);
}

}  // namespace

TEST_CASE("a folder without a tokenizer names the files looked for") {
  const Scratch scratch;
  CHECK_THROWS_WITH(load_tokenizer(scratch.folder()),
                    "the folder " + scratch.folder() +
                        " has no tokenizer; looked for tokenizer.json, tokenizer.model, "
                        "spiece.model, vocab.json with merges.txt, and vocab.txt");
  CHECK_THROWS_WITH(load_tokenizer(scratch.path("none")),
                    "there is no folder " + scratch.path("none") +
                        "; give the folder that holds a tokenizer's files");
  CHECK_THROWS_WITH(lethe::tokenizer_digest(scratch.path("none")),
                    "there is no folder " + scratch.path("none") +
                        "; give the folder that holds a tokenizer's files");
}

TEST_CASE("tokenizer.json comes before vocab.json, and that before vocab.txt") {
  const Scratch scratch;
  scratch.write("vocab.txt", "[UNK]\nab\n");
  CHECK(load_tokenizer(scratch.folder())->encode("ab") == ExpectedIds{1});
  scratch.write("vocab.json", "{\"a\": 5, \"b\": 6, \"ab\": 7}");
  CHECK(load_tokenizer(scratch.folder())->encode("ab") == ExpectedIds{1});
  scratch.write("merges.txt", "a b\n");
  CHECK(load_tokenizer(scratch.folder())->encode("ab") == ExpectedIds{7});
  scratch.write("tokenizer.json",
                bpe("\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, "));
  CHECK(load_tokenizer(scratch.folder())->encode("ab") == ExpectedIds{2});
}

TEST_CASE("a digest is that of the names and contents of the files read") {
  const Scratch scratch;
  scratch.write("vocab.txt", "[UNK]\nab\n");
  scratch.write("unrelated.txt", "x");
  const std::string before = lethe::tokenizer_digest(scratch.folder());
  CHECK(before == lethe::sha256("vocab.txt " + lethe::sha256("[UNK]\nab\n") + "\n"));
  scratch.write("tokenizer_config.json", "{}");
  CHECK(lethe::tokenizer_digest(scratch.folder()) ==
        lethe::sha256("vocab.txt " + lethe::sha256("[UNK]\nab\n") + "\ntokenizer_config.json " +
                      lethe::sha256("{}") + "\n"));
}

TEST_CASE("damaged JSON is refused with file and byte") {
  check_refused("tokenizer.json", "{\"model\": nul}",
                "{}/tokenizer.json is no valid JSON at byte 13 of 14; fetch the file again");
  check_refused("tokenizer.json", "{\"a\": \"\xff\"}",
                "{}/tokenizer.json is no valid JSON at byte 7 of 10; fetch the file again");
  check_refused("vocab.txt", "[UNK]\n",
                "{}/tokenizer_config.json is no valid JSON at byte 0 of 0; fetch the file again",
                "tokenizer_config.json", "");
  check_refused("tokenizer.json", "[1]", "{}/tokenizer.json: expected an object, found array");
  check_refused("tokenizer.json", "{}", "{}/tokenizer.json has no member 'model'");
  check_refused("tokenizer.json", "{\"model\": {\"type\": 3}}",
                "{}/tokenizer.json: model.type: expected a text, found number");
  check_refused("vocab.json", "{\"a\": true}",
                "{}/vocab.json: a: expected a whole number, found boolean", "merges.txt", "");
}

TEST_CASE("merges of unknown pieces, or of no two pieces, are refused") {
  check_refused("tokenizer.json", bpe(kByteLevel, "[\"a b\", \"b a\"]"),
                "{}/tokenizer.json: model.merges: merge 2 joins 'b' and 'a', but the vocabulary "
                "has no 'ba'");
  check_refused("tokenizer.json", bpe(kByteLevel, "[[\"a\", \"c\"]]"),
                "{}/tokenizer.json: model.merges: merge 1 joins 'a' and 'c', but the vocabulary "
                "has no 'ac'");
  check_refused("tokenizer.json", bpe(kByteLevel, "[\"ab\"]"),
                "{}/tokenizer.json: model.merges: merge 1 is 'ab'; expected two pieces and a space "
                "between");
  check_refused("tokenizer.json", bpe(kByteLevel, "[[\"a\"]]"),
                "{}/tokenizer.json: model.merges[0]: expected two pieces, found array");
  check_refused("vocab.json", "{\"a\": 0}",
                "{}/merges.txt: merge 1 joins 'a' and 'a', but the vocabulary has no 'aa'",
                "merges.txt", "#version: 0.2\na a\n");
}

TEST_CASE("ids that are no ids, or stand for two tokens, are refused") {
  check_refused("vocab.json", "{\"a\": -1}",
                "token 'a' of {} has the id -1; expected 0 to 16777215", "merges.txt", "");
  check_refused("vocab.json", "{\"a\": 1, \"b\": 1}",
                "id 1 of {} stands for both 'a' and 'b'; expected one token an id", "merges.txt",
                "");
  check_refused("vocab.txt", "[UNK]\na\n",
                "added token 'a' of {} has the id 5, but 1 in the vocabulary; expected one",
                "added_tokens.json", "{\"a\": 5}");
  check_refused("vocab.txt", "[UNK]\n",
                "{}/tokenizer_config.json: added_tokens_decoder: expected a token's id, found 'x'",
                "tokenizer_config.json",
                "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}");
}

TEST_CASE("a token that is named or needed and missing is refused") {
  check_refused("vocab.txt", "[UNK]\n",
                "{} names '<pad>' as its pad_token, which is neither in the vocabulary nor among "
                "the added tokens; give it an id in added_tokens.json, or name another",
                "special_tokens_map.json", "{\"pad_token\": {\"content\": \"<pad>\"}}");
  check_refused("vocab.txt", "a\n",
                "the vocabulary of {} has no [UNK], and no file names another unknown token; add "
                "\"unk_token\" to its tokenizer_config.json");
  const Scratch scratch;
  scratch.write("vocab.json", "{\"a\": 0}");
  scratch.write("merges.txt", "");
  scratch.write("tokenizer_config.json", "{\"add_bos_token\": true}");
  CHECK_THROWS_WITH(load_tokenizer(scratch.folder()),
                    "the tokenizer of " + scratch.folder() +
                        " has to add its bos_token, but names none; add it to "
                        "tokenizer_config.json");
}

TEST_CASE("an added token gets its id from added_tokens.json") {
  const Scratch scratch;
  scratch.write("vocab.txt", "[UNK]\na\n");
  scratch.write("added_tokens.json", "{\"<pad>\": 2}");
  scratch.write("special_tokens_map.json", "{\"pad_token\": \"<pad>\"}");
  const auto tokenizer = load_tokenizer(scratch.folder());
  CHECK(tokenizer->vocabulary_size() == 3);
  CHECK(tokenizer->pad_id() == 2);
  CHECK(tokenizer->encode("a<pad>") == ExpectedIds{1, 2});
  CHECK(tokenizer->decode({1, 2}) == "a");
}

TEST_CASE("what a tokenizer.json asks for and Lethe lacks is named") {
  const std::string unigram = "{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}";
  check_refused("tokenizer.json", unigram,
                "{}/tokenizer.json has a model of type Unigram that is not byte-level, which is "
                "read from its SentencePiece file; put tokenizer.model or spiece.model beside it");
  check_refused("tokenizer.json", bpe(""),
                "{}/tokenizer.json has a model of type BPE that is not byte-level, which is read "
                "from its SentencePiece file; put tokenizer.model or spiece.model beside it");
  check_refused("tokenizer.json", bpe(kByteLevel + "\"normalizer\": {\"type\": \"Nmt\"}, "),
                "{}/tokenizer.json: normalizer: unknown type 'Nmt'; known are Lowercase, NFC, NFD, "
                "NFKC, NFKD and Sequence");
  check_refused("tokenizer.json",
                bpe("\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": "
                    "\"Metaspace\"}, {\"type\": \"ByteLevel\"}]}, "),
                "{}/tokenizer.json: pre_tokenizer.pretokenizers[0]: unknown type 'Metaspace'; "
                "known are ByteLevel, Digits, Sequence and Split");
  check_refused("tokenizer.json", bpe(kByteLevel + "\"post_processor\": {\"type\": \"X\"}, "),
                "{}/tokenizer.json: post_processor: unknown type 'X'; known are BertProcessing, "
                "ByteLevel, RobertaProcessing, Sequence and TemplateProcessing");
  check_refused("tokenizer.json", bpe(kByteLevel + "\"decoder\": {\"type\": \"Fuse\"}, "),
                "{}/tokenizer.json: decoder: unknown type 'Fuse'; known is ByteLevel");
  check_refused("spiece.model", "no model",
                "{}/spiece.model is no SentencePiece model; fetch the file again");
}
