// Decoders from Hugging Face folders against transformers' own values (../shared/fixtures/hf):
// logits, hidden states, loss, gradients, five AdamW steps.
#include "tests/catch.h"
// After Catch.
#include "core/error.h"
#include "core/loss.h"
#include "core/update.h"
#include "tests/hf_case.h"

using namespace lethe;

namespace {

const char* const kFamilies[] = {"gpt2", "opt", "bloom", "llama"};

/// A gradient as the checkpoint stores its weight: GPT-2's are (in, out).
Tensor as_stored(const HfCase& given, const Parameter& parameter, const Tensor& value) {
  const bool conv = given.folder.ends_with("gpt2") && value.dim() == 2 &&
                    parameter.name.find(".h.") != std::string::npos;
  return conv ? value.t() : value;
}

double loss_of(Model& model, const Batch& batch) {
  const Tensor loss = task_loss(model.forward(batch), batch);
  torch::autograd::backward({loss}, {});
  return loss.item<double>();
}

/// Losses before each of `steps` steps with the fixture's settings, gradient norms beside them.
std::vector<std::pair<double, double>> adamw_steps(HfCase& given, double lr, int steps) {
  Arena arena;
  arena.lay_out(*given.model);
  const Twin first = arena.twin("first"), second = arena.twin("second");
  const Batch batch = language_batch(given.ids, given.labels);
  std::vector<std::pair<double, double>> losses;
  for (int i = 1; i <= steps; ++i) {
    const double loss = loss_of(*given.model, batch);
    kernels::Update step;
    step.n = arena.size();
    step.value = arena.values().data_ptr<float>();
    step.gradient = arena.gradient().data_ptr<float>();
    step.first = first.tensor().data_ptr<float>();
    step.second = second.tensor().data_ptr<float>();
    step.learning_rate = lr;
    step.weight_decay = 0.01;
    step.step = i;
    const double norm = std::sqrt(kernels::squared_norm(step));
    step.gradient_scale = std::min(1.0, 1.0 / (norm + 1e-6));
    losses.emplace_back(loss, norm);
    kernels::update(step);
  }
  losses.emplace_back(loss_of(*given.model, batch), 0);
  return losses;
}

}  // namespace

TEST_CASE("logits and hidden states are transformers' in every family") {
  if (no_hf_fixtures()) return;
  const at::NoGradGuard no_grad;
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    const HfCase given(family);
    std::vector<Tensor> states;
    const Tensor logits = given.decoder->all_logits(given.ids, given.mask, {}, &states);
    CHECK(masked_difference(logits, given.tensor("logits"), given.mask) < 1e-4);
    REQUIRE(states.size() == 4);
    for (size_t i = 0; i < states.size(); ++i) {
      const Tensor state = given.tensor(fmt::format("hidden_states.{}", i));
      CHECK(masked_difference(states[i], state, given.mask) < 1e-4);
    }
    const Tensor bare = given.decoder->all_logits(given.ids.narrow(0, 0, 1), {});
    const Tensor all = at::ones({1, given.ids.size(1)}, at::kLong);
    CHECK(masked_difference(bare, given.tensor("row0_nomask.logits"), all) < 1e-4);
  }
}

TEST_CASE("qwen2 has transformers' logits") {
  if (no_hf_fixtures()) return;
  const at::NoGradGuard no_grad;
  const HfCase given("qwen2");
  const Tensor logits = given.decoder->all_logits(given.ids, given.mask);
  CHECK(masked_difference(logits, given.tensor("logits"), given.mask) < 1e-4);
}

TEST_CASE("left-padded rows have transformers' logits at default and at mask positions") {
  if (no_hf_fixtures()) return;
  const at::NoGradGuard no_grad;
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    const HfCase given(family);
    const Tensor ids = given.tensor("left.input_ids"), mask = given.tensor("left.attention_mask");
    // OPT and BLOOM count along the mask whatever they are given.
    const bool by_mask = family == "opt" || family == "bloom";
    const Tensor places = by_mask ? Tensor() : at::arange(ids.size(1), at::kLong).unsqueeze(0);
    const Tensor plain = given.decoder->all_logits(ids, mask, places);
    CHECK(masked_difference(plain, given.tensor("left.logits_default_positions"), mask) < 1e-4);
    const Tensor masked = given.decoder->all_logits(ids, mask, given.tensor("left.position_ids"));
    CHECK(masked_difference(masked, given.tensor("left.logits_mask_positions"), mask) < 1e-4);
    const Tensor counted = given.decoder->all_logits(ids, mask);
    CHECK(masked_difference(counted, given.tensor("left.logits_mask_positions"), mask) < 1e-4);
  }
}

TEST_CASE("the same weights in shards, in a pickle, in f16 and in bf16 give their logits") {
  if (no_hf_fixtures()) return;
  const at::NoGradGuard no_grad;
  const struct {
    const char *name, *expected, *logits;
  } cases[] = {{"llama_sharded", "llama", "logits"},
               {"gpt2_bin", "gpt2", "logits"},
               {"gpt2_f16", "gpt2_f16", "logits_computed_in_f32"},
               {"llama_bf16", "llama_bf16", "logits_computed_in_f32"}};
  for (const auto& one : cases) {
    CAPTURE(one.name);
    const HfCase given(one.name, one.expected);
    const Tensor logits = given.decoder->all_logits(given.ids, given.mask);
    CHECK(masked_difference(logits, given.tensor(one.logits), given.mask) < 1e-4);
  }
}

TEST_CASE("the same weights in other files have transformers' loss") {
  if (no_hf_fixtures()) return;
  const struct {
    const char *name, *expected, *loss;
  } cases[] = {{"llama_sharded", "llama", "loss"},
               {"gpt2_bin", "gpt2", "loss"},
               {"gpt2_f16", "gpt2_f16", "loss_computed_in_f32"},
               {"llama_bf16", "llama_bf16", "loss_computed_in_f32"}};
  for (const auto& one : cases) {
    CAPTURE(one.name);
    const HfCase given(one.name, one.expected);
    const auto facts = nlohmann::json::parse(std::ifstream(given.folder + "/expected.json"));
    const double loss = loss_of(*given.model, language_batch(given.ids, given.labels));
    CHECK(std::abs(loss - facts.at(one.loss).get<double>()) < 1e-5);
  }
}

TEST_CASE("bf16 weights in float32 arithmetic have transformers' gradient norms") {
  if (no_hf_fixtures()) return;
  const HfCase given("llama_bf16");
  loss_of(*given.model, language_batch(given.ids, given.labels));
  const auto& norms = given.facts.at("grad_norms_f32");
  const std::vector<Parameter> parameters = given.model->parameters();
  CHECK(parameters.size() == norms.size());
  for (const Parameter& parameter : parameters) {
    CAPTURE(parameter.name);
    const double norm = norms.at(parameter.name).get<double>();
    CHECK(parameter.value.grad().norm().item<double>() == Approx(norm).epsilon(1e-4));
  }
}

TEST_CASE("loss and every gradient are transformers'") {
  if (no_hf_fixtures()) return;
  for (const std::string family : {"gpt2", "opt", "bloom", "llama", "qwen2"}) {
    CAPTURE(family);
    const HfCase given(family);
    const SafetensorsFile gradients(given.golden + "/expected_grads.safetensors");
    const double loss = loss_of(*given.model, language_batch(given.ids, given.labels));
    CHECK(std::abs(loss - given.facts["loss"].get<double>()) < 1e-5);
    std::vector<Parameter> parameters = given.model->parameters();
    CHECK(parameters.size() == gradients.tensors().size());
    for (const Parameter& parameter : parameters) {
      CAPTURE(parameter.name);
      const Tensor theirs = fixture_tensor(gradients, parameter.name);
      const Tensor ours = as_stored(given, parameter, parameter.value.grad());
      const double largest = theirs.abs().max().item<double>();
      CHECK((ours - theirs).abs().max().item<double>() < 1e-3 * largest + 1e-7);
    }
  }
}

TEST_CASE("five steps of AdamW have transformers' losses and gradient norms") {
  if (no_hf_fixtures()) return;
  for (const std::string family : kFamilies) {
    CAPTURE(family);
    HfCase given(family);
    const auto& theirs = given.facts["adamw_5_steps"];
    const auto ours = adamw_steps(given, theirs["lr"].get<double>(), 5);
    for (size_t i = 0; i < 5; ++i) {
      const auto& step = theirs["steps"][i];
      CHECK(std::abs(ours[i].first - step["loss"].get<double>()) < 1e-4);
      const double norm = step["grad_norm_before_clip"].get<double>();
      CHECK(ours[i].second == Approx(norm).epsilon(1e-4));
    }
    CHECK(std::abs(ours[5].first - theirs["loss_after"].get<double>()) < 1e-4);
  }
  HfCase qwen("qwen2");
  const auto& theirs = qwen.facts["adamw_5_steps"];
  const auto ours = adamw_steps(qwen, theirs["lr"].get<double>(), 5);
  for (size_t i = 0; i < 5; ++i) {
    CHECK(std::abs(ours[i].first - theirs["losses"][i].get<double>()) < 1e-4);
  }
}
