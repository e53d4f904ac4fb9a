// config.json and generation_config.json: keys under several names, types, errors.
#include "core/formats/hf_config.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/files.h"

using namespace lethe;

namespace {

HfConfig config(const std::string& text) { return HfConfig::parse(text, "m/config.json"); }

}  // namespace

TEST_CASE("a fact is found under the first of its keys that is there and not null") {
  const HfConfig given = config(
      R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 48,
          "n_inner": null, "rope_scaling": {"factor": 8.0, "low": {"deep": 3}}, "eos": [2, 7],
          "bos": 1, "id2label": {"0": "a", "1": "b"}, "tie": false})");
  CHECK(given.model_type() == "gpt2");
  CHECK(given.architectures() == std::vector<std::string>{"GPT2LMHeadModel"});
  CHECK(given.size({"hidden_size", "n_embd"}) == 48);
  CHECK(given.size({"n_inner"}, 192) == 192);
  CHECK_FALSE(given.has({"n_inner"}));
  CHECK(given.has({"rope_scaling"}));
  CHECK(given.number({"rope_parameters.factor", "rope_scaling.factor"}) == 8);
  CHECK(given.integer({"rope_scaling.low.deep"}) == 3);
  CHECK(given.number({"n_embd"}) == 48);
  CHECK(given.ids({"eos"}) == std::vector<int64_t>{2, 7});
  CHECK(given.ids({"bos"}) == std::vector<int64_t>{1});
  CHECK(given.ids({"pad"}).empty());
  CHECK(given.entries({"id2label"}) == 2);
  CHECK(given.entries({"label2id"}) == 0);
  CHECK_FALSE(given.flag({"tie"}, true));
  CHECK(given.flag({"other"}, true));
}

TEST_CASE("errors of a config name file, key, value and what was expected") {
  const HfConfig given = config(
      R"({"a": "12", "b": 1.5, "c": 0, "d": [1, "x"], "e": 18446744073709551615, "f": 1,
          "architectures": "GPT2LMHeadModel"})");
  CHECK_THROWS_WITH(given.integer({"x", "y"}),
                    "m/config.json lacks 'x' or 'y'; expected an integer");
  CHECK_THROWS_WITH(given.integer({"x", "a"}), "m/config.json: 'a' is \"12\", expected an integer");
  CHECK_THROWS_WITH(given.integer({"b"}), "m/config.json: 'b' is 1.5, expected an integer");
  CHECK_THROWS_WITH(given.integer({"e"}),
                    "m/config.json: 'e' is 18446744073709551615, expected an integer");
  CHECK_THROWS_WITH(given.size({"c"}),
                    "m/config.json: 'c' is 0, expected an integer from 1 to 2147483647");
  CHECK_THROWS_WITH(given.number({"a"}), "m/config.json: 'a' is \"12\", expected a number");
  CHECK_THROWS_WITH(given.flag({"f"}, true), "m/config.json: 'f' is 1, expected true or false");
  CHECK_THROWS_WITH(given.text({"f"}), "m/config.json: 'f' is 1, expected a text");
  CHECK_THROWS_WITH(given.ids({"d"}),
                    "m/config.json: 'd' is [1,\"x\"], expected a token id or a list of token ids");
  CHECK_THROWS_WITH(given.entries({"f"}), "m/config.json: 'f' is 1, expected an object or a list");
  CHECK_THROWS_WITH(
      given.architectures(),
      "m/config.json: 'architectures' is \"GPT2LMHeadModel\", expected a list of names");
  CHECK_THROWS_WITH(given.model_type(), "m/config.json lacks 'model_type'; expected a text");
}

TEST_CASE("what is no config is refused") {
  CHECK_THROWS_WITH(config("{\"a\": "),
                    "m/config.json is no JSON: byte 7 is not what JSON has there; fetch the file "
                    "again");
  CHECK_THROWS_WITH(config("[1]"),
                    "m/config.json holds no JSON object; expected one such as {\"model_type\": "
                    "\"gpt2\", ...}");
  CHECK_THROWS_WITH(config(std::string(40, '[')),
                    "m/config.json is nested more than 16 levels deep");
  const Scratch scratch;
  CHECK_THROWS_WITH(
      HfConfig::read(scratch.folder()),
      scratch.folder() + " has no config.json; give a model's folder in Hugging Face's layout");
}

TEST_CASE("generation_config.json counts before config.json, which counts where it is missing") {
  const Scratch scratch;
  scratch.write("config.json", R"({"eos_token_id": 5, "max_length": 99, "do_sample": true})");
  const HfConfig own = HfConfig::read(scratch.folder());
  const GenerationConfig alone = GenerationConfig::read(scratch.folder(), own);
  CHECK(alone.end_ids == std::vector<int64_t>{5});
  CHECK(alone.max_length == 99);
  CHECK_FALSE(alone.max_new);
  CHECK(alone.path == scratch.path("config.json"));
  CHECK(alone.do_sample);
  CHECK(alone.pad_id == -1);
  CHECK(alone.top_k == 50);
  CHECK(alone.repetition_penalty == 1);
  CHECK(alone.no_repeat_ngram == 0);
  scratch.write("generation_config.json",
                R"({"eos_token_id": [7, 8], "pad_token_id": 0, "bos_token_id": 1,
                    "decoder_start_token_id": 3, "temperature": 0.6, "top_p": 0.9, "top_k": 4,
                    "num_beams": 2, "max_new_tokens": 7, "repetition_penalty": 1.05,
                    "no_repeat_ngram_size": 3})");
  const GenerationConfig given = GenerationConfig::read(scratch.folder(), own);
  CHECK(given.end_ids == std::vector<int64_t>{7, 8});
  CHECK(given.pad_id == 0);
  CHECK(given.begin_id == 1);
  CHECK(given.decoder_start_id == 3);
  CHECK_FALSE(given.max_length);  // config.json's does not count beside the other file
  CHECK(given.max_new == 7);
  CHECK(given.path == scratch.path("generation_config.json"));
  CHECK_FALSE(given.do_sample);
  CHECK(given.temperature == 0.6);
  CHECK(given.top_p == 0.9);
  CHECK(given.top_k == 4);
  CHECK(given.beams == 2);
  CHECK(given.repetition_penalty == 1.05);
  CHECK(given.no_repeat_ngram == 3);
}

TEST_CASE("no cut and no changed byte of a config crashes its reader") {
  const std::string whole =
      R"({"model_type": "llama", "rope_scaling": {"factor": 8.0}, "eos": [2, 7], "n": null})";
  const auto read = [](const std::string& text) {
    try {
      const HfConfig given = config(text);
      given.ids({"eos"});
      given.number({"rope_scaling.factor"}, 1);
      given.architectures();
      given.model_type();
    } catch (const Error&) {
    }
  };
  for (size_t cut = 0; cut < whole.size(); ++cut) read(whole.substr(0, cut));
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int byte = 0; byte < 256; byte += 3) {
      std::string text = whole;
      text[at] = static_cast<char>(byte);
      read(text);
    }
  }
}
