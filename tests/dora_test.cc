// DoRA: magnitude and direction by hand, the constant norm, peft's own numbers, what is refused.
#include "tests/catch.h"
// After Catch.
#include "tests/peft_case.h"

using namespace lethe;

namespace {

const OptionMap kSmall = {{"rank", "2"}, {"targets", "fc1"}};

/// m / ||W + s B A|| (W + s B A), dense.
Tensor turned_weight(Adapted& adapted, double scale) {
  const Tensor direction =
      adapted.model->linears()[0]->base().dense() +
      at::matmul(adapted.parameter("fc1.lora_B.weight"), adapted.parameter("fc1.lora_A.weight")) *
          scale;
  const Tensor norm = direction.square().sum(1, true).sqrt();
  return adapted.parameter("fc1.lora_magnitude_vector").unsqueeze(1) * direction / norm;
}

void check_fixture(const std::string& name, const std::string& base, const OptionMap& options) {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  PeftCase fixture(*fixtures, name, base, "dora", options);
  CHECK(fixture.rows.difference(fixture.adapted.forward(), fixture.expected.at("logits_adapter")) <
        1e-4);
  CHECK(fixture.gradient_error() < 1e-3);
  fixture.adapted.merge();
  CHECK(fixture.rows.difference(fixture.adapted.forward(), fixture.expected.at("logits_merged")) <
        1e-4);
}

}  // namespace

TEST_CASE("dora keeps the logits bit for bit at the start") {
  Adapted adapted("dora", {{"rank", "2"}});
  CHECK(adapted.prepared.equal(adapted.before));
}

TEST_CASE("dora trains lora's values and one magnitude an output") {
  Adapted adapted("dora", {{"rank", "2"}});
  CHECK(adapted.model->count(true) == 2 * (6 + 8) + 8 + 2 * (8 + 8) + 8);
  CHECK(trained(*adapted.model) ==
        std::vector<std::string>{"fc1.lora_A.weight", "fc1.lora_B.weight",
                                 "fc1.lora_magnitude_vector", "fc2.lora_A.weight",
                                 "fc2.lora_B.weight", "fc2.lora_magnitude_vector"});
}

TEST_CASE("dora's magnitudes start as the row norms of the weight") {
  Adapted adapted("dora", kSmall);
  const Tensor norms = adapted.model->linears()[0]->base().dense().square().sum(1).sqrt();
  CHECK(adapted.parameter("fc1.lora_magnitude_vector").equal(norms));
}

TEST_CASE("dora scales each turned row to its magnitude") {
  Adapted adapted("dora", kSmall);
  adapted.move(0.5);
  Linear& seam = *adapted.model->linears()[0];
  const Tensor weight = turned_weight(adapted, 8);  // alpha / rank = 16 / 2
  const Tensor x = adapted.batch.inputs;
  CHECK(largest_difference(seam.forward(x), at::linear(x, weight, seam.bias())) < 1e-5);
  CHECK(largest_difference(weight, seam.base().dense()) > 0.1);
}

TEST_CASE("dora's merged weights give the same logits") {
  Adapted adapted("dora", {{"rank", "2"}});
  adapted.move();
  const Tensor with = adapted.forward();
  CHECK(largest_difference(with, adapted.before) > 1e-3);
  adapted.merge();
  CHECK(largest_difference(adapted.forward(), with) < 1e-5);
}

TEST_CASE("dora's norm is a constant in the backward pass") {
  Adapted adapted("dora", kSmall);
  adapted.move(0.5);
  Linear& seam = *adapted.model->linears()[0];
  const Tensor x = adapted.batch.inputs;
  const Tensor weights = at::arange(x.size(0) * 8, at::kFloat).view({-1, 8}) / 10 - 1;
  torch::autograd::backward({(seam.forward(x) * weights).sum()}, {});
  const Tensor a = adapted.parameter("fc1.lora_A.weight").detach();
  const Tensor b = adapted.parameter("fc1.lora_B.weight");
  const Tensor m = adapted.parameter("fc1.lora_magnitude_vector");
  const Tensor direction = seam.base().dense() + at::matmul(b.detach(), a) * 8;
  const Tensor norm = direction.square().sum(1).sqrt();
  const Tensor by_hand = at::matmul((weights * m.detach() / norm).t(), at::linear(x, a)) * 8;
  CHECK(largest_difference(b.grad(), by_hand) < 1e-4);
  const Tensor of_m = (weights * at::linear(x, direction) / norm).sum(0);
  CHECK(largest_difference(m.grad(), of_m) < 1e-4);
  CHECK(b.grad().abs().max().item<double>() > 0.1);
}

TEST_CASE("dora's dropout reaches everything that the magnitude scales") {
  Adapted adapted("dora", {{"rank", "2"}, {"targets", "fc1"}, {"dropout", "0.5"}});
  const at::NoGradGuard no_grad;
  adapted.parameter("fc1.lora_magnitude_vector").mul_(3);
  Linear& seam = *adapted.model->linears()[0];
  const Tensor x = adapted.batch.inputs;
  adapted.model->train(true);
  adapted.model->set_generator(make_generator(4));
  const Tensor y = seam.forward(x);
  // B is zero: W x + b, and (3 - 1) W on the dropped x.
  const Tensor kept = dropout(x, 0.5, make_generator(4));
  const Tensor by_hand =
      at::linear(x, seam.base().dense(), seam.bias()) + at::linear(kept, seam.base().dense()) * 2;
  CHECK(largest_difference(y, by_hand) < 1e-5);
}

TEST_CASE("dora on an NF4 base is dora on the weights that it stands for, and merges") {
  auto quantised = mlp(6, 8, 2, 4), dense = mlp(6, 8, 2, 4);
  for (size_t i = 0; i < 2; ++i) {
    Linear& seam = *quantised->linears()[i];
    seam.set_format("nf4");
    const at::NoGradGuard no_grad;
    dense->linears()[i]->base().dense().copy_(seam.base().dense());
  }
  Adapted ours("dora", {{"rank", "2"}}, std::move(quantised));
  Adapted plain("dora", {{"rank", "2"}}, std::move(dense));
  CHECK(ours.prepared.equal(ours.before));
  ours.move();
  plain.move();
  CHECK(largest_difference(ours.forward(), plain.forward()) < 1e-5);
  ours.merge();
  CHECK(largest_difference(ours.forward(), plain.forward()) < 1e-5);
}

TEST_CASE("dora leaves the base as it is") {
  for (const auto& [name, change] : base_changes("dora", {{"rank", "2"}})) {
    CAPTURE(name);
    CHECK(change == 0);
  }
}

TEST_CASE("dora refuses a row without a direction, and a seam named twice") {
  auto model = mlp(6, 8, 2, 4);
  {
    const at::NoGradGuard no_grad;
    model->linears()[1]->base().dense()[3].zero_();
  }
  CHECK_THROWS_WITH(Adapted("dora", {}, std::move(model)),
                    "dora: row 3 of 'fc2' is zero, so it has no direction to keep; leave 'fc2' out "
                    "of targets or choose lora");
  // Also on a quantised base, where a row of zeros stays one of zeros.
  model = mlp(6, 8, 2, 4);
  {
    const at::NoGradGuard no_grad;
    model->linears()[1]->base().dense()[3].zero_();
  }
  model->linears()[1]->set_format("nf4");
  CHECK_THROWS_WITH(Adapted("dora", {}, std::move(model)),
                    "dora: row 3 of 'fc2' is zero, so it has no direction to keep; leave 'fc2' out "
                    "of targets or choose lora");
  CHECK_THROWS_WITH(Adapted("dora", {{"modules_to_save", "fc2"}}),
                    "dora: 'fc2' is both a target and one of modules_to_save 'fc2'; name it in one "
                    "of them");
  CHECK_THROWS_WITH(Adapted("dora", {{"modules_to_save", "head"}}),
                    "dora: no seam ends with one of modules_to_save 'head'; the model has: fc1, "
                    "fc2, classifier");
}

TEST_CASE("dora's logits, gradients and merged weights are peft's", "[shared]") {
  check_fixture("llama_dora", "llama",
                {{"rank", "4"}, {"alpha", "8"}, {"targets", "q_proj,v_proj,down_proj"}});
  check_fixture(
      "opt_dora_bias", "opt",
      {{"rank", "4"}, {"alpha", "8"}, {"targets", "q_proj,v_proj"}, {"bias", "lora_only"}});
}
