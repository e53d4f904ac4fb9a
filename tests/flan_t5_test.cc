// FLAN-T5 under LoRA with rank 4, alpha 8, targets q and v, dropout 0.05, bias none: what is
// trained and what the adapter takes on disk, from config.json alone. No weight is made.
#include "tests/catch.h"
// After Catch.
#include <filesystem>

#include "core/formats/safetensors.h"
#include "core/models/hf_encoder.h"
#include "core/models/hf_seq2seq.h"
#include "core/models/seq2seq.h"
#include "tests/engine_case.h"
#include "tests/files.h"

using namespace lethe;

namespace {

HfConfig t5_file(const std::string& sizes) {
  return HfConfig::parse(R"({"model_type": "t5", "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": false, "d_kv": 64, "vocab_size": 32128, )" +
                             sizes + "}",
                         "config.json");
}

HfConfig flan_small() {
  return t5_file(R"("d_model": 512, "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 8,
                    "num_heads": 6)");
}

HfConfig flan_base() {
  return t5_file(R"("d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12)");
}

/// Shapes without weights.
std::unique_ptr<Seq2Seq> shape_of(const HfConfig& file) {
  return std::make_unique<Seq2Seq>(seq2seq_config(file), at::Generator());
}

int64_t parameters(const HfConfig& file) { return shape_of(file)->count(false); }

struct Figures {
  int64_t trained = 0, all = 0, bytes = 0;
};

Figures under_lora(const HfConfig& file) {
  const auto model = shape_of(file);
  Arena arena;
  TaskStream stream;
  const auto lora = builtin_methods().at("lora").make(
      {{"rank", "4"}, {"alpha", "8"}, {"targets", "q,v"}, {"dropout", "0.05"}, {"bias", "none"}});
  Setup setup{*model, arena, stream, make_generator(1), {}};
  lora->prepare(setup);
  std::map<std::string, StoredTensor> stored;
  for (Parameter& parameter : model->trainable()) {
    stored["base_model.model." + parameter.name] = {
        "F32", parameter.value.sizes().vec(),
        static_cast<const uint8_t*>(parameter.value.data_ptr()), parameter.value.nbytes()};
  }
  const Scratch scratch;
  const std::string path = scratch.path("adapter_model.safetensors");
  write_safetensors(path, stored, {{"format", "pt"}});
  return {model->count(true), model->count(false),
          static_cast<int64_t>(std::filesystem::file_size(path))};
}

}  // namespace

TEST_CASE("flan-t5-small under lora trains 0.223 % in 701 kB") {
  // q and v of 8 + 2 * 8 attentions: A (4, 512) and B (6 * 64, 4) each.
  const Figures figures = under_lora(flan_small());
  CHECK(figures.trained == 48 * 4 * (512 + 384));
  CHECK(figures.trained == 172'032);
  CHECK(figures.all == 76'961'152 + 172'032);
  const double percent =
      100 * static_cast<double>(figures.trained) / static_cast<double>(figures.all);
  CHECK(percent == Approx(0.22303).margin(5e-6));
  // 8 for the header's length, a header of 96 names padded to a multiple of 8, the values.
  CHECK(figures.bytes == 8 + 13'120 + 4 * 172'032);
}

TEST_CASE("flan-t5-base under lora trains 0.178 % in 1.79 MB") {
  const Figures figures = under_lora(flan_base());
  CHECK(figures.trained == 72 * 4 * (768 + 768));
  CHECK(figures.trained == 442'368);
  CHECK(figures.all == 247'577'856 + 442'368);
  const double percent =
      100 * static_cast<double>(figures.trained) / static_cast<double>(figures.all);
  CHECK(percent == Approx(0.17836).margin(5e-6));
  CHECK(figures.bytes == 8 + 19'840 + 4 * 442'368);
}

TEST_CASE("published parameter counts follow from config.json") {
  CHECK(parameters(HfConfig::parse(R"({"model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 2048,
    "num_layers": 6, "num_heads": 8, "vocab_size": 32128})",
                                   "config.json")) == 60'506'624);  // t5-small
  CHECK(parameters(HfConfig::parse(R"({"model_type": "t5", "d_model": 768, "d_kv": 64, "d_ff": 3072,
    "num_layers": 12, "num_heads": 12, "vocab_size": 32128})",
                                   "config.json")) == 222'903'552);  // t5-base
  CHECK(parameters(HfConfig::parse(R"({"model_type": "mt5", "d_model": 512, "d_kv": 64,
    "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 8, "num_heads": 6, "vocab_size": 250112})",
                                   "config.json")) == 300'176'768);  // mt5-small
  CHECK(parameters(HfConfig::parse(R"({"model_type": "mt5", "d_model": 768, "d_kv": 64,
    "d_ff": 2048, "num_layers": 12, "num_heads": 12, "vocab_size": 250112})",
                                   "config.json")) == 582'401'280);  // mt5-base
  const HfConfig bert = HfConfig::parse(R"({"model_type": "bert", "vocab_size": 30522,
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072})",
                                        "config.json");
  CHECK(Encoder(encoder_config(bert, 2), at::Generator()).count(false) == 109'482'240 + 1'538);
}

TEST_CASE("t5's and mt5's config.json differ in what they leave out") {
  const Seq2SeqConfig flan = seq2seq_config(flan_small());
  CHECK(flan.gated);
  CHECK_FALSE(flan.tied);
  CHECK(flan.activation == Activation::gelu_tanh);
  const std::string sizes = R"("d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2,
    "vocab_size": 9)";
  const auto config = [&](const std::string& more) {
    return seq2seq_config(HfConfig::parse("{" + sizes + ", " + more + "}", "config.json"));
  };
  const Seq2SeqConfig t5 = config(R"("model_type": "t5")");
  CHECK(t5.tied);
  CHECK_FALSE(t5.gated);
  CHECK(t5.activation == Activation::relu);
  const Seq2SeqConfig mt5 = config(R"("model_type": "mt5")");
  CHECK_FALSE(mt5.tied);
  CHECK(mt5.gated);
  CHECK(config(R"("model_type": "t5", "decoder_start_token_id": 3, "pad_token_id": 2)").start_id ==
        3);
  CHECK(config(R"("model_type": "t5", "pad_token_id": 2)").start_id == 2);
  CHECK(config(R"("model_type": "t5", "feed_forward_proj": "gated-silu")").activation ==
        Activation::silu);
  CHECK_THROWS_WITH(
      config(R"("model_type": "t5", "feed_forward_proj": "gated-mish")"),
      R"(config.json: 'feed_forward_proj' is "gated-mish", expected relu, gelu, silu, )"
      "or one of them after 'gated-'");
  CHECK_THROWS_WITH(config(R"("model_type": "umt5")"),
                    R"(config.json: 'model_type' is "umt5", expected t5 or mt5)");
}
