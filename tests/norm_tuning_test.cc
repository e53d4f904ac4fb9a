// Norm tuning: the normalisation layers, their count, peft's gradients, what is refused.
#include "tests/catch.h"
// After Catch.
#include "tests/peft_case.h"

using namespace lethe;

namespace {

using Names = std::vector<std::string>;

Names tuned(const std::string& family, const OptionMap& options = {}) {
  Adapted adapted("norm-tuning", options, small_decoder(family, {{"layers", "1"}}),
                  token_batch({3, 5, 7, 9}, 2));
  CHECK(adapted.prepared.equal(adapted.before));
  return trained(*adapted.model);
}

}  // namespace

TEST_CASE("norm tuning trains weight and bias of every normalisation layer") {
  CHECK(tuned("gpt2") == Names{"h.0.ln_1.weight", "h.0.ln_1.bias", "h.0.ln_2.weight",
                               "h.0.ln_2.bias", "ln_f.weight", "ln_f.bias"});
  CHECK(tuned("llama") == Names{"layers.0.input_layernorm.weight",
                                "layers.0.post_attention_layernorm.weight", "norm.weight"});
  CHECK(tuned("llama", {{"targets", "norm"}, {"modules_to_save", "lm_head"}}) ==
        Names{"norm.weight", "lm_head.weight"});
}

TEST_CASE("norm tuning moves the norms and leaves the rest") {
  const auto model = small_decoder("gpt2", {}, 258);
  std::map<std::string, Tensor> before;
  for (Parameter& parameter : model->parameters()) {
    before[parameter.name] = parameter.value.detach().clone();
  }
  const auto tokenizer = std::make_shared<WordTokenizer>(std::vector<std::string>{});
  std::vector<TextRow> rows;
  for (const char* text : {"ab", "bc", "cd", "de", "ef", "fa"}) {
    rows.push_back(text_row(*tokenizer, text, "a"));
  }
  TaskStream stream;
  stream.longest = 4;
  stream.tasks.push_back(
      vector_task("letters", std::make_shared<TextRows>(tokenizer, rows, TextRowsOptions{}), {}));
  Method method = method_of("norm-tuning");
  train(small_request(*model, stream, method));
  CHECK(model->count(true) == 5 * 2 * 16);
  for (Parameter& parameter : model->parameters()) {
    CAPTURE(parameter.name);
    const bool norm = parameter.name.find("ln_") != std::string::npos;
    CHECK(parameter.value.equal(before[parameter.name]) != norm);
  }
}

TEST_CASE("norm tuning refuses a model without norms, and names that are none") {
  CHECK_THROWS_WITH(
      Adapted("norm-tuning", {}),
      "norm-tuning: the model has no normalisation layer of targets 'all'; it has: fc1, fc2, "
      "classifier; choose the model 'decoder', or bitfit or lora");
  CHECK_THROWS_WITH(tuned("gpt2", {{"targets", "c_attn"}}),
                    Catch::Matchers::StartsWith(
                        "norm-tuning: the model has no normalisation layer of targets 'c_attn'; it "
                        "has: wte, prompt_embeddings, wpe, h.0.ln_1, "));
}

TEST_CASE("norm tuning's logits and gradients are peft's", "[shared]") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  PeftCase fixture(*fixtures, "llama_ln", "llama", "norm-tuning", {});
  CHECK(fixture.adapted.model->count(true) == 448);
  CHECK(fixture.rows.difference(fixture.adapted.forward(), fixture.expected.at("logits_adapter")) <
        1e-4);
  CHECK(fixture.loss() == Approx(6.629428863525391).epsilon(1e-5));
  CHECK(fixture.gradient_error() < 1e-3);
}
