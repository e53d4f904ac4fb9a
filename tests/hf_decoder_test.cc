// What config.json makes of a decoder: switches, numbers by hand, errors.
#include "tests/catch.h"
// After Catch.
#include "core/error.h"
#include "core/models/decoder.h"
#include "core/models/hf_decoder.h"
#include "tests/hf_folder.h"

using namespace lethe;

namespace {

HfConfig config(const std::string& text) { return HfConfig::parse(text, "config.json"); }

}  // namespace

TEST_CASE("LLaMA 3.1's scaled rotary rates are those worked out by hand") {
  DecoderConfig made = family_config("llama");
  made.head_dim = 128;
  made.rope_theta = 500000;
  const std::vector<float> plain = rope_rates(made);
  CHECK(plain.size() == 64);
  CHECK(plain[0] == 1);
  CHECK(plain[29] == Approx(2.6160993e-3).epsilon(1e-6));
  made.rope_scaling = {8, 8192, 1, 4};
  const std::vector<float> scaled = rope_rates(made);
  CHECK(scaled[28] == Approx(3.2114460e-3).epsilon(1e-6));
  CHECK(scaled[29] == Approx(2.1665708e-3).epsilon(1e-6));
  CHECK(scaled[30] == Approx(1.3718936e-3).epsilon(1e-6));
  CHECK(scaled[31] == Approx(8.5675141e-4).epsilon(1e-6));
  CHECK(scaled[34] == Approx(1.7850781e-4).epsilon(1e-6));
  CHECK(plain[35] == Approx(7.6449699e-4).epsilon(1e-6));
  CHECK(scaled[35] == Approx(9.5562124e-5).epsilon(1e-6));
  CHECK(scaled[63] == Approx(3.0689260e-7).epsilon(1e-6));
  made.rope_scaling = {4, 0, 1, 4};
  CHECK(rope_rates(made)[10] == Approx(plain[10] / 4).epsilon(1e-6));
}

TEST_CASE("ALiBi's slopes for a power of two heads and for others") {
  const auto close = [](const std::vector<float>& found, const std::vector<double>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      CHECK(found[i] == Approx(expected[i]).epsilon(1e-6));
    }
  };
  const auto sixteen = alibi_slopes(16);
  close(sixteen, {0.70710678, 0.5, 0.35355339, 0.25});
  CHECK(sixteen[15] == Approx(0.00390625));
  close(alibi_slopes(12), {0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625,
                           0.70710678, 0.35355339, 0.17677670, 0.08838835});
  CHECK(alibi_slopes(12).size() == 12);
  CHECK(alibi_slopes(32)[0] == Approx(0.84089642).epsilon(1e-6));
}

TEST_CASE("keys of both generations of configs are understood") {
  const DecoderConfig old = decoder_config(config(
      llama_text(R"(, "rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0})")));
  CHECK(old.rope_theta == 5e5);
  CHECK(old.rope_scaling.factor == 2);
  CHECK(old.rope_scaling.original_length == 0);
  const DecoderConfig now = decoder_config(config(llama_text(
      R"(, "rope_parameters": {"rope_theta": 1e6, "rope_type": "llama3", "factor": 32.0,
           "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 8192})")));
  CHECK(now.rope_theta == 1e6);
  CHECK(now.rope_scaling.factor == 32);
  CHECK(now.rope_scaling.original_length == 8192);
  CHECK_FALSE(now.tied);
  CHECK(now.deviation == 0.02);
  CHECK(decoder_config(config(opt_text())).padding_row == 1);
  CHECK(decoder_config(config(gpt2_text(R"(, "resid_pdrop": 0.25)"))).dropout == 0.25);
  CHECK(decoder_config(config(gpt2_text())).attention_dropout == 0.1);
  const DecoderConfig wide = decoder_config(config(llama_text(R"(, "head_dim": 6)")));
  CHECK(wide.head_dim == 6);
  CHECK(Decoder(wide, {}).linears()[0]->out_features() == 24);
}

TEST_CASE("a sliding window limits the rows of Mistral, and of Qwen2 only where it is on") {
  const std::string rest =
      R"("vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 12, "max_position_embeddings": 64, "sliding_window": 10)";
  const auto longest = [&](const std::string& type, const std::string& more = "") {
    return decoder_config(config(R"({"model_type": ")" + type + "\"," + rest + more + "}"))
        .max_length;
  };
  CHECK(longest("mistral") == 10);
  CHECK(longest("qwen2") == 64);
  CHECK(longest("qwen2", R"(, "use_sliding_window": true)") == 10);
  CHECK(longest("llama") == 64);
}

TEST_CASE("what would be computed otherwise is refused, naming file, key and value") {
  const auto error = [](const std::string& text) {
    try {
      decoder_config(config(text));
    } catch (const Error& refused) {
      return std::string(refused.what());
    }
    return std::string("accepted");
  };
  CHECK(error(R"({"model_type": "rwkv"})") ==
        "config.json: 'model_type' is \"rwkv\", expected one of bloom, gpt2, llama, mistral, opt, "
        "qwen2");
  CHECK(error(gpt2_text(R"(, "activation_function": "quick_gelu")")) ==
        "config.json: 'activation_function' is \"quick_gelu\", expected one of relu, gelu, "
        "gelu_new, gelu_fast, gelu_pytorch_tanh, silu, swish");
  CHECK(error(gpt2_text(R"(, "add_cross_attention": true)")) ==
        "config.json: 'add_cross_attention' is true, expected false: no other computation is "
        "supported");
  CHECK(error(opt_text(R"(, "layer_norm_elementwise_affine": false)")) ==
        "config.json: 'layer_norm_elementwise_affine' is false, expected true");
  CHECK(error(llama_text(R"(, "rope_scaling": {"type": "dynamic", "factor": 2.0})")) ==
        "config.json: 'rope_scaling.type' is \"dynamic\", expected one of default, linear, llama3");
  CHECK(error(llama_text(R"(, "num_key_value_heads": 3)")) ==
        "config.json: 'num_key_value_heads' is 3, expected a divisor of 4 heads");
  CHECK(error(llama_text(R"(, "head_dim": 3)")) ==
        "config.json: the head width is 3, expected an even one: rotary positions turn pairs");
  CHECK(error(opt_text(R"(, "dropout": 1.0)")) ==
        "config.json: 'dropout' is 1.0, expected a probability in [0, 1)");
  CHECK(error(R"({"model_type": "gpt2", "vocab_size": 20, "n_embd": 10, "n_layer": 2,
                  "n_head": 4})") ==
        "config.json: 'n_head' is 4, expected a divisor of the width 10");
  CHECK(error(R"({"model_type": "gpt2", "n_embd": 8})") ==
        "config.json lacks 'vocab_size'; expected an integer");
}
