// sweeps/flan_t5_lora.toml: FLAN-T5 under LoRA with rank 4, alpha 8, targets q and v, dropout 0.05,
// bias none: what is trained and what the exported adapter takes on disk, from config.json alone.
// No weight of the base is made.
#include "tests/catch.h"
// After Catch.
#include <filesystem>

#include "core/adapters/learned.h"
#include "core/formats/peft_write.h"
#include "core/models/hf_encoder.h"
#include "core/models/hf_seq2seq.h"
#include "core/models/seq2seq.h"
#include "experiments/sweep.h"
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

const std::string kSweep = std::string(LETHE_SOURCE_DIR) + "/sweeps/flan_t5_lora.toml";

/// The options of the shipped sweep's entry of that name, as given.
OptionMap options_of(const std::string& method) {
  const Sweep sweep = read_sweep(kSweep);
  OptionMap options;
  for (const SweepMethod& entry : sweep.methods) {
    if (entry.name != method) continue;
    for (const auto& [key, option] : entry.options) options[key] = option.values.at(0);
  }
  return options;
}

struct Figures {
  int64_t trained = 0, all = 0, bytes = 0;
  PeftConfig config = {};  ///< of the adapter's folder
};

Figures under_lora(const HfConfig& file, const std::string& method = "lora") {
  const auto model = shape_of(file);
  Arena arena;
  TaskStream stream;
  const MethodSpec spec = parse_method(builtin_methods(), method, options_of(method));
  const auto lora = builtin_methods().at("lora").make(spec.parts.at(0).options);
  Setup setup{*model, arena, stream, make_generator(1), {}};
  lora->prepare(setup);
  std::set<std::string> trained;
  for (const Parameter& parameter : model->trainable()) trained.insert(parameter.name);
  const Scratch scratch;
  write_peft(scratch.folder(), learned_of(*model, trained), *model, peft_family("t5"),
             {.name_or_path = "google/flan-t5-small"});
  return {
      model->count(true), model->count(false),
      static_cast<int64_t>(std::filesystem::file_size(scratch.path("adapter_model.safetensors"))),
      read_peft_config(scratch.folder())};
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
  CHECK(figures.bytes == 701'256);
  CHECK(figures.config.rank == 4);
  CHECK(figures.config.alpha == 8);
  CHECK(figures.config.dropout == Approx(0.05));
  CHECK(figures.config.bias == "none");
  CHECK(figures.config.task_type == "SEQ_2_SEQ_LM");
  CHECK(figures.config.target_modules.names == std::vector<std::string>{"q", "v"});
  // With EWC beside it the adapter is the same.
  CHECK(under_lora(flan_small(), "lora+ewc").bytes == figures.bytes);
}

TEST_CASE("the shipped sweep has the settings that the figures are of, and no others") {
  const OptionMap lora = {
      {"rank", "4"}, {"alpha", "8"}, {"targets", "q,v"}, {"dropout", "0.05"}, {"bias", "none"}};
  CHECK(options_of("lora") == lora);
  for (const auto& [key, value] : lora) CHECK(options_of("lora+ewc").at("lora." + key) == value);
  const Sweep sweep = read_sweep(kSweep);
  CHECK(sweep.model == "pretrained");
  CHECK(sweep.keep);
  REQUIRE(sweep.texts.size() == 3);
  CHECK(sweep.texts[0].name == "dbpedia");
  CHECK(sweep.texts[0].metric == "exact_match");
}

TEST_CASE("a merged adapter leaves nothing to compute beside the base") {
  Seq2SeqConfig config =
      seq2seq_config(t5_file(R"("d_model": 16, "d_ff": 8, "num_layers": 1, "num_heads": 2)"));
  Seq2Seq model(config, make_generator(1));
  const int64_t base = model.count(false);
  Arena arena;
  TaskStream stream;
  const auto lora = builtin_methods().at("lora").make(
      parse_method(builtin_methods(), "lora", options_of("lora")).parts.at(0).options);
  Setup setup{model, arena, stream, make_generator(1), {}};
  lora->prepare(setup);
  CHECK(model.count(false) > base);
  for (Linear* seam : model.linears()) seam->merge_adapters();
  CHECK(model.count(false) == base);
  for (const Linear* seam : model.linears()) CHECK(seam->adapters().empty());
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
