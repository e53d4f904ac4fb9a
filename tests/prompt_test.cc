// Prompt tuning: virtual tokens before the embeddings, in every family, in training and generation.
#include "tests/catch.h"
// After Catch.
#include "core/prompt.h"
#include "tests/peft_case.h"

using namespace lethe;

namespace {

using Ids = std::vector<int64_t>;
const char* const kFamilies[] = {"gpt2", "opt", "bloom", "llama"};

std::unique_ptr<Model> roomy(const std::string& family) {
  return small_decoder(family, {{"max_length", "24"}}, 24, 16);
}

Tensor table_of(Model& model) { return prompt_of(model).tokens().weight().detach(); }

Adapted tuned(const std::string& family, const OptionMap& options = {{"tokens", "3"}}) {
  return {"prompt", options, roomy(family), token_batch({3, 5, 7, 9, 11, 13, 2, 4}, 2)};
}

}  // namespace

TEST_CASE("virtual tokens that are words' embeddings read as those words in every family") {
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    Adapted adapted = tuned(family);
    const at::NoGradGuard no_grad;
    const Ids words = {6, 17, 8};
    adapted.parameter("prompt_embeddings")
        .copy_(table_of(*adapted.model).index_select(0, at::tensor(words)));
    const auto plain = roomy(family);
    const Batch longer = token_batch({6, 17, 8, 3, 5, 7, 9, 6, 17, 8, 11, 13, 2, 4}, 2);
    const Tensor read = plain->forward(longer).view({2, 7, -1}).narrow(1, 3, 4);
    CHECK(largest_difference(adapted.forward().view({2, 4, -1}), read) < 1e-5);
    CHECK(largest_difference(adapted.forward(), adapted.before) > 1e-2);
  }
}

TEST_CASE("generation behind virtual tokens is generation behind those words") {
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    Adapted adapted = tuned(family);
    {
      const at::NoGradGuard no_grad;
      adapted.parameter("prompt_embeddings")
          .copy_(table_of(*adapted.model).index_select(0, at::tensor(Ids{6, 17, 8})));
    }
    const auto plain = roomy(family);
    const auto ours = adapted.model->generate({{3, 5}, {7, 9, 11, 13}, {2}}, 6, 1);
    const auto theirs =
        plain->generate({{6, 17, 8, 3, 5}, {6, 17, 8, 7, 9, 11, 13}, {6, 17, 8, 2}}, 6, 1);
    CHECK(ours == theirs);
    CHECK(ours != plain->generate({{3, 5}, {7, 9, 11, 13}, {2}}, 6, 1));
  }
}

TEST_CASE("prompt trains k times width values and nothing of the model") {
  Adapted adapted = tuned("gpt2");
  CHECK(adapted.prepared.equal(adapted.before));  // the tokens come with the first task
  CHECK(trained(*adapted.model) == std::vector<std::string>{"prompt_embeddings"});
  CHECK(adapted.model->count(true) == 3 * 16);
  torch::autograd::backward({task_loss(adapted.model->forward(adapted.batch), adapted.batch)}, {});
  CHECK(adapted.parameter("prompt_embeddings").grad().abs().min().item<double>() > 0);
}

TEST_CASE("a prompt is drawn once, from the vocabulary or uniformly") {
  Adapted adapted = tuned("llama");
  const Tensor drawn = adapted.parameter("prompt_embeddings").detach().clone();
  const Tensor table = table_of(*adapted.model);
  for (int64_t row = 0; row < 3; ++row) {
    CHECK((table - drawn[row]).abs().sum(1).min().item<double>() == 0);
  }
  adapted.adapt(2);
  CHECK(adapted.parameter("prompt_embeddings").equal(drawn));
  Adapted uniform = tuned("llama", {{"tokens", "8"}, {"initial", "uniform"}});
  const double largest = uniform.parameter("prompt_embeddings").abs().max().item<double>();
  CHECK(largest <= 0.5);
  CHECK(largest > 0.4);
}

TEST_CASE("prompt refuses a perceptron and a model without room") {
  CHECK_THROWS_WITH(Adapted("prompt", {}),
                    "prompt: virtual tokens need a model of tokens, but this one has: fc1, fc2, "
                    "classifier; choose the model 'decoder' with a text stream, or lora");
  CHECK_THROWS_WITH(tuned("opt", {{"tokens", "21"}}),
                    "prompt: 21 virtual tokens and rows of 4 need 25 positions, but the model has "
                    "24; raise the model's max_length or lower tokens");
  CHECK_NOTHROW(tuned("opt", {{"tokens", "20"}}));
  CHECK_NOTHROW(tuned("llama", {{"tokens", "40"}}));  // rotary positions have no end
}

TEST_CASE("prompt's logits are peft's", "[shared]") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  PeftCase fixture(*fixtures, "llama_prompt", "llama", "prompt", {{"tokens", "5"}});
  const Tensor theirs = fixture.expected.at("logits_adapter").narrow(1, 5, 13);
  CHECK(fixture.rows.difference(fixture.adapted.forward(), theirs) < 1e-4);
}

TEST_CASE("prompt's loss and gradient are peft's", "[shared]") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  const auto folder = *fixtures / "lora" / "llama_prompt";
  const Tensor prompt = named_tensors(folder / "adapter_model.safetensors").at("prompt_embeddings");
  const Tensor gradient =
      named_tensors(folder / "expected_grads.safetensors").at("prompt_embeddings");
  auto expected = named_tensors(folder / "expected.safetensors");
  // peft's loss also predicts the first token, from the last virtual one. Here that one is a real
  // token that occurs nowhere else, with the virtual one's embedding.
  constexpr int64_t kUnused = 255;
  const Tensor first = at::full({3, 1}, kUnused, at::kLong);
  REQUIRE(expected.at("input_ids").ne(kUnused).all().item<bool>());
  for (const char* name : {"input_ids", "labels", "attention_mask"}) {
    expected[name] = at::cat({first, expected.at(name)}, 1);
  }
  const FixtureRows rows(expected);
  Adapted adapted("prompt", {{"tokens", "4"}}, fixture_model("llama", *fixtures / "hf"), rows.all);
  const Tensor table = adapted.parameter("embed_tokens.weight");
  {
    const at::NoGradGuard no_grad;
    adapted.parameter("prompt_embeddings").copy_(prompt.narrow(0, 0, 4));
    table[kUnused].copy_(prompt[4]);
  }
  table.set_requires_grad(true);
  const Tensor loss = task_loss(adapted.model->forward(rows.counted), rows.counted);
  CHECK(loss.item<double>() == Approx(6.217077255249023).epsilon(1e-5));
  torch::autograd::backward({loss}, {});
  const double scale = gradient.abs().max().item<double>();
  CHECK(largest_difference(adapted.parameter("prompt_embeddings").grad(),
                           gradient.narrow(0, 0, 4)) < 1e-3 * scale);
  CHECK(largest_difference(table.grad()[kUnused], gradient[4]) < 1e-3 * scale);
}
