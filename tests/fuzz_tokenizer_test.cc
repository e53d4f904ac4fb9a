// Tokenizer files, cut and with bytes turned: whatever comes out is a tokenizer or an Error.
#include <catch2/catch.hpp>

#include "core/random.h"
#include "tests/tokenizer_case.h"

namespace {

std::string damaged_text(std::string bytes, lethe::Random& random) {
  if (random.below(4) == 0)
    return bytes.substr(0, random.below(static_cast<int64_t>(bytes.size())));
  for (int64_t left = 1 + random.below(2); left > 0; --left) {
    const int64_t at = random.below(static_cast<int64_t>(bytes.size()));
    bytes[at] = random.below(2) == 0 ? static_cast<char>(bytes[at] ^ 1 << random.below(8))
                                     : static_cast<char>(32 + random.below(96));
  }
  return bytes;
}

const std::string kText = "ab<x> ABba 12\n\xc3\xa9 [CLS] \xff";

/// How many of the damaged files were read.
int fuzz_folder(const Scratch& scratch, const std::string& name, const std::string& bytes) {
  scratch.write(name, bytes);
  CHECK(lethe::load_tokenizer(scratch.folder())->vocabulary_size() > 0);
  lethe::Random random(2025);
  int read = 0;
  for (int round = 0; round < 150; ++round) {
    scratch.write(name, damaged_text(bytes, random));
    try {
      const auto tokenizer = lethe::load_tokenizer(scratch.folder());
      ++read;
      const ExpectedIds ids = tokenizer->encode(kText);
      CHECK(tokenizer->decode_with_special(ids).size() < 1000);
    } catch (const lethe::Error&) {
    }
  }
  scratch.write(name, bytes);
  return read;
}

const std::string kByteBpe =
    "{\"added_tokens\": [{\"id\": 9, \"content\": \"<x>\", \"special\": true, \"lstrip\": true}], "
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKC\"}]}, "
    "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", "
    "\"pattern\": {\"Regex\": \"\\\\p{N}{1,3}| ?[^\\\\s\\\\p{N}]+|\\\\s+(?!\\\\S)\"}, "
    "\"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\", \"use_regex\": false}]}, "
    "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
    "{\"id\": \"<x>\"}}, {\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {\"<x>\": "
    "{\"ids\": [9]}}}, \"model\": {\"type\": \"BPE\", \"unk_token\": \"a\", \"vocab\": {\"a\": 0, "
    "\"b\": 1, \"ab\": 2, \"\\u0120\": 3}, \"merges\": [\"a b\"]}}";

const std::string kWordPiece =
    "{\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": "
    "\"BertPreTokenizer\"}, \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
    "\"vocab\": {\"[UNK]\": 0, \"ab\": 1, \"##b\": 2}}}";

}  // namespace

TEST_CASE("damaged tokenizer.json files are read or refused, never worse") {
  const Scratch scratch;
  CHECK(fuzz_folder(scratch, "tokenizer.json", kByteBpe) > 5);
  CHECK(fuzz_folder(scratch, "tokenizer.json", kWordPiece) > 5);
}

TEST_CASE("damaged settings and vocabularies are read or refused, never worse") {
  const Scratch scratch;
  scratch.write("vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2, \"<x>\": 3}");
  scratch.write("merges.txt", "a b\n");
  CHECK(fuzz_folder(
            scratch, "tokenizer_config.json",
            "{\"eos_token\": {\"content\": \"<x>\", \"rstrip\": true}, \"add_eos_token\": true, "
            "\"added_tokens_decoder\": {\"4\": {\"content\": \"12\", \"single_word\": true}}}") >
        5);
  CHECK(fuzz_folder(scratch, "vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2, \"<x>\": 3}") > 0);
  CHECK(fuzz_folder(scratch, "merges.txt", "#version: 0.2\na b\n") > 5);
}
