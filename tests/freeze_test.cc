// Freezing: the last layers or named ones, beside adapters too.
#include "tests/catch.h"
// After Catch.
#include "tests/adapter_case.h"

using namespace lethe;

namespace {

using Names = std::vector<std::string>;

Names kept(const OptionMap& options) { return trained(*Adapted("freeze", options).model); }

/// The seams of which something is trained.
Names kept_seams(const std::string& family, const OptionMap& options) {
  Adapted adapted("freeze", options, small_decoder(family), token_batch({3, 5, 7, 9}, 2));
  Names names;
  for (Seam* seam : adapted.model->seams()) {
    bool any = false;
    seam->parameters(
        [&](const std::string&, Tensor& value) { any = any || value.requires_grad(); });
    if (any) names.push_back(seam->name());
  }
  return names;
}

}  // namespace

TEST_CASE("freeze trains the last layers of a perceptron") {
  CHECK(kept({}) == Names{"classifier.weight", "classifier.bias"});
  CHECK(kept({{"layers", "2"}}) ==
        Names{"fc2.weight", "fc2.bias", "classifier.weight", "classifier.bias"});
  CHECK(Adapted("freeze", {{"layers", "2"}}).model->count(true) == 8 * 8 + 8 + 8 * 4 + 4);
  CHECK(kept({{"layers", "3"}}).size() == 6);
}

TEST_CASE("freeze trains the last blocks of a decoder with what stands behind them") {
  CHECK(kept_seams("llama", {}) ==
        Names{"layers.1.input_layernorm", "layers.1.self_attn.q_proj", "layers.1.self_attn.k_proj",
              "layers.1.self_attn.v_proj", "layers.1.self_attn.o_proj",
              "layers.1.post_attention_layernorm", "layers.1.mlp.gate_proj", "layers.1.mlp.up_proj",
              "layers.1.mlp.down_proj", "norm", "lm_head"});
  // The head of gpt2 is its embedding, which stands before the first block.
  CHECK(kept_seams("gpt2", {}) == Names{"h.1.ln_1", "h.1.attn.c_attn", "h.1.attn.c_proj",
                                        "h.1.ln_2", "h.1.mlp.c_fc", "h.1.mlp.c_proj", "ln_f"});
  CHECK(kept_seams("opt", {{"layers", "2"}}).front() == "decoder.layers.0.self_attn_layer_norm");
}

TEST_CASE("freeze goes by names: only these, or all but these") {
  CHECK(kept({{"layers", "0"}, {"trained", "fc2"}}) == Names{"fc2.weight", "fc2.bias"});
  CHECK(kept({{"layers", "0"}, {"frozen", "fc1,fc2"}}) ==
        Names{"classifier.weight", "classifier.bias"});
  CHECK(kept_seams("llama", {{"layers", "0"}, {"trained", "lm_head"}}) == Names{"lm_head"});
}

TEST_CASE("freeze without names or layers is full fine-tuning, bit for bit") {
  std::vector<std::string> digests;
  for (const OptionMap& options :
       {OptionMap{{"layers", "0"}}, OptionMap{{"layers", "3"}}, OptionMap{{"layers", "2"}}}) {
    const auto model = mlp(6, 8, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 2);
    Method made = method_of("freeze", options);
    digests.push_back(train(small_request(*model, stream, made)).weights_digest);
  }
  const auto model = mlp(6, 8, 2, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method made = method_of("finetune");
  const std::string finetuned = train(small_request(*model, stream, made)).weights_digest;
  CHECK(digests[0] == finetuned);
  CHECK(digests[1] == finetuned);
  CHECK(digests[2] != finetuned);
}

TEST_CASE("training leaves what is frozen") {
  for (const auto& [name, change] : base_changes("freeze", {{"layers", "2"}})) {
    CAPTURE(name);
    CHECK((change == 0) == name.starts_with("fc1."));
  }
}

TEST_CASE("freeze freezes the adapters of its layers, later ones too, and thaws nothing") {
  const auto model = mlp(6, 8, 2, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method made = method_of("freeze+inclora", {{"layers", "2"}, {"rank", "1"}});
  train(small_request(*model, stream, made));
  CHECK(trained(*model) == Names{"fc2.lora_A.task2.weight", "fc2.lora_B.task2.weight"});
}

TEST_CASE("freeze refuses what contradicts itself or names nothing") {
  CHECK_THROWS_WITH(
      kept({{"layers", "4"}}),
      "freeze: layers = 4, but the model has 3; give at most that, or 0 to train all");
  CHECK_THROWS_WITH(kept({{"trained", "fc1"}}),
                    "freeze: layers = 1 and trained = 'fc1' both say what is trained; set layers = "
                    "0 to name it");
  CHECK_THROWS_WITH(
      kept({{"layers", "0"}, {"trained", "fc1"}, {"frozen", "fc2"}}),
      "freeze: trained = 'fc1' and frozen = 'fc2' both say what is trained; give one");
  CHECK_THROWS_WITH(kept({{"layers", "0"}, {"frozen", "fc7"}}),
                    "freeze: no seam ends with one of frozen 'fc7'; the model has: fc1, fc2, "
                    "classifier");
  CHECK_THROWS_WITH(kept({{"layers", "0"}, {"trained", "fc7"}}),
                    "freeze: no seam ends with one of trained 'fc7'; the model has: fc1, fc2, "
                    "classifier");
}
