// What config.json may ask for: counts and widths are bounded, and no change of a file does worse
// than an Error.
#include "tests/catch.h"
// After Catch.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/models/hf_decoder.h"
#include "core/models/hf_encoder.h"
#include "core/models/hf_seq2seq.h"
#include "core/random.h"
#include "tests/hf_folder.h"

using namespace lethe;

namespace {

using nlohmann::json;

/// A config.json of every architecture, with keys that its reader knows.
std::vector<json> architecture_configs() {
  const std::string pairs =
      R"("vocab_size": 20, "d_model": 8, "d_kv": 2, "d_ff": 12, "num_layers": 2, "num_heads": 4,
         "num_decoder_layers": 3, "feed_forward_proj": "gated-gelu", "dropout_rate": 0.1,
         "relative_attention_num_buckets": 8, "decoder_start_token_id": 0, "eos_token_id": 1})";
  const std::string scaled =
      R"(, "head_dim": 6, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
           "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 16})";
  std::vector<json> all;
  for (const std::string& text :
       {gpt2_text(R"(, "architectures": ["GPT2ForSequenceClassification"], "num_labels": 3,
                       "resid_pdrop": 0.1, "eos_token_id": [2, 7], "max_length": 30)"),
        opt_text(R"(, "word_embed_proj_dim": 4, "pad_token_id": 1, "dropout": 0.1)"),
        bloom_text(R"(, "hidden_dropout": 0.1, "id2label": {"0": "a", "1": "b"}, "top_k": 5)"),
        llama_text(scaled), llama_text(R"(, "sliding_window": 10, "num_key_value_heads": 2)"),
        llama_text(R"(, "sliding_window": 10, "use_sliding_window": true, "do_sample": true)"),
        R"({"model_type": "t5", )" + pairs, R"({"model_type": "mt5", )" + pairs,
        std::string(
            R"({"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2,
                "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 16,
                "type_vocab_size": 2, "hidden_act": "gelu", "id2label": {"0": "a", "1": "b"}})")}) {
    all.push_back(json::parse(text));
  }
  all[4]["model_type"] = "mistral";
  all[5]["model_type"] = "qwen2";
  return all;
}

/// The reader of the config's architecture; true where what it gives is within the limits.
bool read_architecture(const HfConfig& file) {
  const auto bounded = [](int64_t most, std::initializer_list<int64_t> sizes) {
    return std::all_of(sizes.begin(), sizes.end(),
                       [most](int64_t size) { return size >= 1 && size <= most; });
  };
  constexpr int64_t kParts = 10'000, kWidth = 1'000'000;
  const std::string type = file.text({"model_type"}, "");
  if (type == "bert") {
    const EncoderConfig made = encoder_config(file, 0);
    return bounded(kParts, {made.layers, made.heads}) &&
           bounded(kWidth, {made.width, made.mlp_width});
  }
  if (type == "t5" || type == "mt5") {
    const Seq2SeqConfig made = seq2seq_config(file);
    return bounded(kParts, {made.layers, made.decoder_layers, made.heads, made.head_dim}) &&
           bounded(kWidth, {made.width, made.mlp_width});
  }
  const DecoderConfig made = decoder_config(file);
  // What is not given follows from the width.
  return bounded(kParts, {made.layers, made.heads, made.kv_heads}) &&
         bounded(kWidth, {made.width, made.head_dim}) && bounded(4 * kWidth, {made.mlp_width});
}

/// What reading says, "read" where nothing is refused. Any exception but Error ends the test.
std::string read_limits(const std::string& text) {
  try {
    const HfConfig file = HfConfig::parse(text, "config.json");
    GenerationConfig::read("no such folder", file);
    return read_architecture(file) ? "read" : "without limits";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string with_value(size_t architecture, const std::string& key, int64_t value) {
  json config = architecture_configs()[architecture];
  config[key] = value;
  return read_limits(config.dump());
}

/// Another value, another key or no key in place of one, at any depth.
void change_member(json& object, Random& random) {
  static const std::vector<json> values = {0,
                                           -1,
                                           1,
                                           3,
                                           10'001,
                                           20'000'000,
                                           INT32_MAX,
                                           INT64_MAX,
                                           UINT64_MAX,
                                           1e308,
                                           -0.5,
                                           nullptr,
                                           true,
                                           "",
                                           "gelu",
                                           json::array(),
                                           json::object(),
                                           "t5",
                                           1e-9,
                                           {1, 2},
                                           {"a", "b"},
                                           {-1},
                                           {{"factor", 1e99}},
                                           {{"type", "yarn"}}};
  auto member = object.begin();
  std::advance(member, random.below(static_cast<int64_t>(object.size())));
  if (member->is_object() && !member->empty() && random.below(2) == 0) {
    change_member(*member, random);
    return;
  }
  const json value = values[random.below(static_cast<int64_t>(values.size()))];
  const int64_t way = random.below(8);
  if (way == 0) {
    object.erase(member);
  } else if (way == 1) {
    std::string key = member.key();
    if (!key.empty()) key[random.below(static_cast<int64_t>(key.size()))] ^= 1;
    object[key] = value;
  } else {
    *member = value;
  }
}

std::string changed_bytes(std::string text, Random& random) {
  const auto length = static_cast<int64_t>(text.size());
  if (random.below(4) == 0) return text.substr(0, random.below(length));
  for (int64_t left = 1 + random.below(3); left > 0; --left) {
    text[random.below(length)] = static_cast<char>(random.below(256));
  }
  return text;
}

}  // namespace

TEST_CASE("layers are counted up to 10,000, and no file makes a model without end") {
  const std::string expected = ", expected an integer from 1 to 10000";
  CHECK(with_value(3, "num_hidden_layers", 10'000) == "read");
  CHECK(with_value(3, "num_hidden_layers", 10'001) ==
        "config.json: 'num_hidden_layers' is 10001" + expected);
  CHECK(with_value(0, "n_layer", INT32_MAX) == "config.json: 'n_layer' is 2147483647" + expected);
  CHECK(with_value(6, "num_layers", 20'000'000) ==
        "config.json: 'num_layers' is 20000000" + expected);
  CHECK(with_value(7, "num_decoder_layers", 20'000'000) ==
        "config.json: 'num_decoder_layers' is 20000000" + expected);
  CHECK(with_value(8, "num_hidden_layers", INT32_MAX) ==
        "config.json: 'num_hidden_layers' is 2147483647" + expected);
  CHECK(with_value(8, "num_hidden_layers", 0) ==
        "config.json: 'num_hidden_layers' is 0" + expected);
}

TEST_CASE("widths are bounded: biases, norms and rotary rates are vectors of them") {
  const std::string expected = ", expected an integer from 1 to 1000000";
  CHECK(with_value(0, "n_embd", INT32_MAX) == "config.json: 'n_embd' is 2147483647" + expected);
  CHECK(with_value(1, "ffn_dim", INT32_MAX) == "config.json: 'ffn_dim' is 2147483647" + expected);
  CHECK(with_value(6, "d_model", INT32_MAX) == "config.json: 'd_model' is 2147483647" + expected);
  CHECK(with_value(8, "hidden_size", 1'000'002) ==
        "config.json: 'hidden_size' is 1000002" + expected);
  CHECK(with_value(3, "head_dim", 10'002) ==
        "config.json: 'head_dim' is 10002, expected an integer from 1 to 10000");
}

TEST_CASE("a changed config of any architecture is read or refused, never worse") {
  Random random(2025);
  int read = 0, refused = 0;
  for (const json& whole : architecture_configs()) {
    REQUIRE(read_limits(whole.dump()) == "read");
    for (int round = 0; round < 400; ++round) {
      json config = whole;
      for (int64_t left = 1 + random.below(2); left > 0; --left) change_member(config, random);
      const std::string text = round % 2 == 0 ? config.dump() : changed_bytes(whole.dump(), random);
      const std::string said = read_limits(text);
      if (said == "without limits") FAIL(text);
      ++(said == "read" ? read : refused);
    }
  }
  CHECK(read > 300);
  CHECK(refused > 1000);
}
