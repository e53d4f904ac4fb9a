// Byte-level BPE with ten merges, worked out by hand.
#include "core/text/byte_bpe.h"

#include <catch2/catch.hpp>
#include <thread>

#include "core/random.h"
#include "core/text/byte_letters.h"
#include "tests/tokenizer_case.h"

using lethe::load_tokenizer;

namespace {

const std::string kVocab =
    "{\"e\": 0, \"s\": 1, \"t\": 2, \"l\": 3, \"o\": 4, \"w\": 5, \"n\": 6, \"r\": 7, "
    "\"\\u0120\": 8, \"es\": 9, \"est\": 10, \"lo\": 11, \"low\": 12, \"ne\": 13, \"new\": 14, "
    "\"\\u0120low\": 15, \"er\": 16, \"newest\": 17, \"\\u0120new\": 18, \"<end>\": 19}";
const std::string kMerges =
    "e s\nes t\nl o\nlo w\nn e\nne w\n\xc4\xa0 low\ne r\nnew est\n\xc4\xa0 new\n";

/// Of a folder with these files.
std::shared_ptr<const lethe::Tokenizer> by_hand(const Scratch& scratch,
                                                const std::string& config = "{}") {
  scratch.write("vocab.json", kVocab);
  scratch.write("merges.txt", "#version: 0.2\n" + kMerges);
  scratch.write("tokenizer_config.json", config);
  return load_tokenizer(scratch.folder());
}

/// A tokenizer.json around that vocabulary; `more` are further members of the root.
std::string as_json(const std::string& more, const std::string& model = "") {
  std::string merges;
  for (size_t at = 0; at < kMerges.size();) {
    const size_t end = kMerges.find('\n', at);
    merges += (at > 0 ? ", \"" : "\"") + kMerges.substr(at, end - at) + "\"";
    at = end + 1;
  }
  return "{" + more + "\"model\": {\"type\": \"BPE\"" + model + ", \"vocab\": " + kVocab +
         ", \"merges\": [" + merges + "]}}";
}

const std::string kByteLevel =
    "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, ";

std::shared_ptr<const lethe::Tokenizer> of_json(const Scratch& scratch, const std::string& text) {
  scratch.write("tokenizer.json", text);
  return load_tokenizer(scratch.folder());
}

}  // namespace

TEST_CASE("ten merges give the ids worked out by hand") {
  const Scratch scratch;
  const auto tokenizer = by_hand(scratch, "{\"eos_token\": \"<end>\"}");
  CHECK(tokenizer->encode("low") == ExpectedIds{12});
  CHECK(tokenizer->encode("lowest newest") == ExpectedIds{12, 10, 8, 17});
  CHECK(tokenizer->encode(" lower newer new") == ExpectedIds{15, 16, 18, 16, 18});
  CHECK(tokenizer->encode("esests") == ExpectedIds{9, 10, 1});
  CHECK(tokenizer->encode("low<end> low") == ExpectedIds{12, 19, 15});
  CHECK(tokenizer->encode("") == ExpectedIds{});
  CHECK(tokenizer->decode({15, 16, 19, 10}) == " lowerest");
  CHECK(tokenizer->decode_with_special({15, 16, 19, 10}) == " lower<end>est");
  CHECK(tokenizer->vocabulary_size() == 20);
  CHECK(tokenizer->token(15) == "\xc4\xa0low");
  CHECK(tokenizer->id_of("\xc4\xa0low") == 15);
  CHECK(tokenizer->id_of(" low") == std::nullopt);
  CHECK(tokenizer->end_id() == 19);
  CHECK(tokenizer->pad_id() == 19);
  CHECK(tokenizer->begin_id() == std::nullopt);
}

TEST_CASE("a byte that the vocabulary lacks is refused by name, or becomes the unknown token") {
  const Scratch scratch;
  CHECK_THROWS_WITH(by_hand(scratch)->encode("lox"),
                    "the vocabulary of " + scratch.folder() +
                        " has no token 'x' for byte 0x78 of a text, and no unknown token; use a "
                        "tokenizer with all 256 bytes");
  const auto known = by_hand(scratch, "{\"unk_token\": \"<end>\"}");
  CHECK(known->encode("lox") == ExpectedIds{11, 19});
}

TEST_CASE("OPT's begin mark stands first, and other marks are those asked for") {
  const Scratch scratch;
  scratch.write("config.json",
                "{\"model_type\": \"opt\", \"bos_token_id\": 19, \"eos_token_id\": [19, 3]}");
  const auto tokenizer = by_hand(scratch);
  CHECK(lethe::encode_marked(*tokenizer, "low") == ExpectedIds{19, 12});
  CHECK(tokenizer->encode("low") == ExpectedIds{12});
  CHECK(tokenizer->end_id() == 19);
  const auto both = by_hand(scratch, "{\"add_bos_token\": false, \"add_eos_token\": true}");
  CHECK(lethe::encode_marked(*both, "low") == ExpectedIds{12, 19});
  CHECK(lethe::encode_pair(*both, "low", "new").ids == ExpectedIds{12, 19, 14, 19});
}

TEST_CASE("the same vocabulary in tokenizer.json gives the same ids") {
  const Scratch scratch;
  const auto tokenizer = of_json(scratch, as_json(kByteLevel));
  CHECK(tokenizer->encode(" lower newest") == ExpectedIds{15, 16, 8, 17});
  const auto prefixed = of_json(scratch, as_json("\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, "));
  CHECK(prefixed->encode("low") == ExpectedIds{15});
  CHECK(prefixed->encode(" low") == ExpectedIds{15});
}

TEST_CASE("a piece that is a token needs no merges where they are ignored") {
  const Scratch scratch;
  const std::string vocabulary = "{\"l\": 0, \"o\": 1, \"lo\": 2, \"ool\": 3}";
  const auto json = [&](const std::string& ignored) {
    return "{" + kByteLevel + "\"model\": {\"ignore_merges\": " + ignored +
           ", \"vocab\": " + vocabulary + ", \"merges\": [[\"l\", \"o\"]]}}";
  };
  CHECK(of_json(scratch, json("false"))->encode("ool") == ExpectedIds{1, 1, 0});
  CHECK(of_json(scratch, json("true"))->encode("ool") == ExpectedIds{3});
  CHECK(of_json(scratch, json("true"))->encode("oolo") == ExpectedIds{1, 1, 2});
}

TEST_CASE("added tokens take spaces, want words of their own, or look at normalised text") {
  const Scratch scratch;
  const auto with = [&](const std::string& flags, const std::string& more = "") {
    return of_json(
        scratch, as_json(more + kByteLevel +
                         "\"added_tokens\": [{\"id\": 20, \"content\": \"NEW\"" + flags + "}], "));
  };
  CHECK(with("")->encode("low NEW low") == ExpectedIds{12, 8, 20, 15});
  CHECK(with(", \"lstrip\": true")->encode("low  NEW low") == ExpectedIds{12, 20, 15});
  CHECK(with(", \"rstrip\": true")->encode("low NEW  low") == ExpectedIds{12, 8, 20, 12});
  const auto word = with(", \"single_word\": true", "\"normalizer\": {\"type\": \"Lowercase\"}, ");
  CHECK(word->encode("NEWEST NEW") == ExpectedIds{17, 8, 20});
  const std::string lower = "\"normalizer\": {\"type\": \"Lowercase\"}, ";
  CHECK(with(", \"normalized\": false", lower)->encode("newNEW") == ExpectedIds{14, 20});
  CHECK(with(", \"normalized\": true", lower)->encode("newNEW") == ExpectedIds{20, 20});
  CHECK(with(", \"special\": true")->decode({12, 20}) == "low");
  CHECK(with("")->decode({12, 20}) == "lowNEW");
}

TEST_CASE("templates put marks around one text and two") {
  const Scratch scratch;
  const std::string special =
      "\"special_tokens\": {\"<end>\": {\"id\": \"<end>\", \"ids\": [19], \"tokens\": [\"\"]}}";
  const std::string mark = "{\"SpecialToken\": {\"id\": \"<end>\", \"type_id\": 0}}";
  const std::string a = "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}";
  const std::string b = "{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}";
  const auto tokenizer =
      of_json(scratch,
              as_json(kByteLevel + "\"post_processor\": {\"type\": \"Sequence\", \"processors\": " +
                      "[{\"type\": \"ByteLevel\"}, {\"type\": \"TemplateProcessing\", " +
                      "\"single\": [" + mark + ", " + a + "], \"pair\": [" + mark + ", " + a +
                      ", " + mark + ", " + b + ", " + mark + "], " + special + "}]}, "));
  CHECK(lethe::encode_marked(*tokenizer, "low") == ExpectedIds{19, 12});
  const auto roberta = of_json(
      scratch, as_json(kByteLevel + "\"post_processor\": {\"type\": \"RobertaProcessing\", " +
                       "\"sep\": [\"<end>\", 19], \"cls\": [\"e\", 0]}, "));
  const lethe::MarkedPair pair = lethe::encode_pair(*roberta, "low", "new");
  CHECK(pair.ids == ExpectedIds{0, 12, 19, 19, 14, 19});
  CHECK(pair.types == ExpectedIds{0, 0, 0, 0, 1, 1});
}

TEST_CASE("any bytes come back from a vocabulary of all bytes") {
  const Scratch scratch;
  std::string vocabulary = "{";
  for (int byte = 0; byte < 256; ++byte) {
    const auto letter = std::string(lethe::letter_of(static_cast<uint8_t>(byte)));
    vocabulary +=
        (byte > 0 ? ", " : "") + nlohmann::json(letter).dump() + ": " + std::to_string(byte);
  }
  scratch.write("vocab.json", vocabulary + "}");
  scratch.write("merges.txt", "");
  const auto tokenizer = load_tokenizer(scratch.folder());
  CHECK(tokenizer->encode("a\xff\xc3") == ExpectedIds{'a', 0xff, 0xc3});
  CHECK(tokenizer->decode({'a', 0xff, 0xc3, 0xa9}) == "a\xef\xbf\xbd\xc3\xa9");
  lethe::Random random(3);
  for (int round = 0; round < 200; ++round) {
    ExpectedIds bytes(random.below(40));
    std::string text;
    for (int64_t& byte : bytes) {
      byte = random.below(3) == 0 ? random.below(256) : 32 + random.below(90);
      text += static_cast<char>(byte);
    }
    REQUIRE(tokenizer->encode(text) == bytes);
  }
}

TEST_CASE("several threads encode at once") {
  const Scratch scratch;
  const auto tokenizer = by_hand(scratch);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& count : wrong) {
    threads.emplace_back([&count, &tokenizer] {
      for (int i = 0; i < 500; ++i) {
        if (tokenizer->encode(" lower newest") != ExpectedIds{15, 16, 8, 17}) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}
