// (IA)^3: which seams of each family, the scaling by hand, peft's own numbers.
#include "tests/catch.h"
// After Catch.
#include "tests/peft_case.h"

using namespace lethe;

namespace {

std::vector<std::string> scaled(const std::string& family, const OptionMap& options = {}) {
  Adapted adapted("ia3", options, small_decoder(family, {{"layers", "1"}}),
                  token_batch({3, 5, 7, 9}, 2));
  return trained(*adapted.model);
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("ia3 keeps the logits bit for bit at the start") {
  CHECK(Adapted("ia3", {}).prepared.equal(Adapted("ia3", {}).before));
  Adapted text("ia3", {}, small_decoder("llama"), token_batch({3, 5, 7, 9}, 2));
  CHECK(text.prepared.equal(text.before));
}

TEST_CASE("ia3 finds keys, values and the inner activation of every family") {
  CHECK(scaled("gpt2") == Names{"h.0.attn.c_attn.ia3_l", "h.0.mlp.c_proj.ia3_l"});
  CHECK(scaled("bloom") ==
        Names{"h.0.self_attention.query_key_value.ia3_l", "h.0.mlp.dense_4h_to_h.ia3_l"});
  CHECK(scaled("opt") == Names{"decoder.layers.0.self_attn.k_proj.ia3_l",
                               "decoder.layers.0.self_attn.v_proj.ia3_l",
                               "decoder.layers.0.fc2.ia3_l"});
  CHECK(scaled("opt", {{"targets", "q_proj,k_proj"}}) ==
        Names{"decoder.layers.0.self_attn.q_proj.ia3_l", "decoder.layers.0.self_attn.k_proj.ia3_l",
              "decoder.layers.0.fc2.ia3_l"});
  CHECK(scaled("llama") == Names{"layers.0.self_attn.k_proj.ia3_l",
                                 "layers.0.self_attn.v_proj.ia3_l",
                                 "layers.0.mlp.down_proj.ia3_l"});
}

TEST_CASE("ia3 scales a perceptron's hidden activations") {
  Adapted adapted("ia3", {});
  CHECK(trained(*adapted.model) == Names{"fc2.ia3_l", "classifier.ia3_l"});
  CHECK(adapted.model->count(true) == 8 + 8);
  adapted.move();
  const auto seams = adapted.model->linears();
  const auto layer = [&](int i, const Tensor& x) {
    return at::linear(x, seams[i]->base().dense(), seams[i]->bias());
  };
  const Tensor inner = layer(0, adapted.batch.inputs).relu();
  const Tensor second = layer(1, inner * adapted.parameter("fc2.ia3_l").view(-1)).relu() *
                        adapted.parameter("classifier.ia3_l").view(-1);
  CHECK(largest_difference(adapted.forward(), layer(2, second)) < 1e-6);
}

TEST_CASE("ia3 scales an output with its bias, and merges both ways") {
  Adapted adapted("ia3", {{"targets", "fc1"}, {"feedforward", "fc2"}});
  CHECK(trained(*adapted.model) == Names{"fc1.ia3_l", "fc2.ia3_l"});
  CHECK(adapted.parameter("fc1.ia3_l").sizes() == at::IntArrayRef{8, 1});
  CHECK(adapted.parameter("fc2.ia3_l").sizes() == at::IntArrayRef{1, 8});
  adapted.move(0.5);
  Linear& seam = *adapted.model->linears()[0];
  const Tensor x = adapted.batch.inputs;
  const Tensor by_hand =
      at::linear(x, seam.base().dense(), seam.bias()) * adapted.parameter("fc1.ia3_l").view(-1);
  CHECK(largest_difference(seam.forward(x), by_hand) < 1e-6);
  const Tensor with = adapted.forward();
  CHECK(largest_difference(with, adapted.before) > 1e-2);
  adapted.merge();
  CHECK(largest_difference(adapted.forward(), with) < 1e-5);
}

TEST_CASE("ia3 trains over an NF4 base") {
  auto model = small_decoder("llama");
  for (Linear* seam : model->linears()) {
    if (seam->kind() == SeamKind::linear) seam->set_format("nf4");
  }
  Adapted adapted("ia3", {}, std::move(model), token_batch({3, 5, 7, 9, 11, 13}, 2));
  CHECK(adapted.prepared.equal(adapted.before));
  torch::autograd::backward({task_loss(adapted.model->forward(adapted.batch), adapted.batch)}, {});
  for (const ArenaRange& range : adapted.arena.ranges()) {
    CAPTURE(range.name);
    CHECK(range.parameter.grad().abs().max().item<double>() > 0);
  }
}

TEST_CASE("ia3 leaves the base as it is") {
  for (const auto& [name, change] : base_changes("ia3")) {
    CAPTURE(name);
    CHECK(change == 0);
  }
}

TEST_CASE("ia3 refuses names that match nothing, and a seam scaled on both sides") {
  CHECK_THROWS_WITH(Adapted("ia3", {{"targets", "k_proj"}, {"feedforward", "down"}}),
                    "ia3: no Linear is named by targets 'k_proj' or feedforward 'down'; the model "
                    "has: fc1, fc2, classifier");
  CHECK_THROWS_WITH(Adapted("ia3", {{"targets", "fc2"}, {"feedforward", "fc2"}}),
                    "ia3: 'fc2' is named by targets 'fc2' and by feedforward 'fc2'; name it in one "
                    "of them");
}

TEST_CASE("ia3's logits, gradients and merged weights are peft's", "[shared]") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  for (const std::string base : {"llama", "gpt2"}) {
    CAPTURE(base);
    PeftCase fixture(*fixtures, base + "_ia3", base, "ia3", {});
    const auto& rows = fixture.rows;
    CHECK(rows.difference(fixture.adapted.before, fixture.expected.at("logits_base")) < 1e-4);
    CHECK(rows.difference(fixture.adapted.forward(), fixture.expected.at("logits_adapter")) < 1e-4);
    CHECK(fixture.gradient_error() < 1e-3);
    fixture.adapted.merge();
    CHECK(rows.difference(fixture.adapted.forward(), fixture.expected.at("logits_merged")) < 1e-4);
  }
}
