// BitFit: the biases, their count and gradient, and nothing else.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "tests/adapter_case.h"

using namespace lethe;

namespace {

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("bitfit trains every bias, and only those") {
  Adapted adapted("bitfit", {});
  CHECK(adapted.prepared.equal(adapted.before));
  CHECK(trained(*adapted.model) == Names{"fc1.bias", "fc2.bias", "classifier.bias"});
  CHECK(adapted.model->count(true) == 8 + 8 + 4);
}

TEST_CASE("bitfit trains the biases of normalisation layers too") {
  Adapted adapted("bitfit", {}, small_decoder("gpt2", {{"layers", "1"}}),
                  token_batch({3, 5, 7, 9}, 2));
  CHECK(trained(*adapted.model) == Names{"h.0.ln_1.bias", "h.0.attn.c_attn.bias",
                                         "h.0.attn.c_proj.bias", "h.0.ln_2.bias",
                                         "h.0.mlp.c_fc.bias", "h.0.mlp.c_proj.bias", "ln_f.bias"});
  CHECK(adapted.model->count(true) == 16 + 48 + 16 + 16 + 64 + 16 + 16);
}

TEST_CASE("bitfit's targets and whole modules are chosen by name") {
  CHECK(
      trained(*Adapted("bitfit", {{"targets", "fc2"}, {"modules_to_save", "classifier"}}).model) ==
      Names{"fc2.bias", "classifier.weight", "classifier.bias"});
}

TEST_CASE("a bias has the gradient that it has in full fine-tuning, over NF4 too") {
  for (const std::string base : {"float", "nf4"}) {
    CAPTURE(base);
    auto whole = mlp(6, 8, 2, 4), part = mlp(6, 8, 2, 4);
    for (const auto& model : {whole.get(), part.get()}) {
      for (Linear* seam : model->linears()) {
        if (seam->kind() == SeamKind::linear) seam->set_format(base);
      }
    }
    Adapted adapted("bitfit", {}, std::move(part));
    torch::autograd::backward({task_loss(adapted.model->forward(adapted.batch), adapted.batch)},
                              {});
    torch::autograd::backward({task_loss(whole->forward(adapted.batch), adapted.batch)}, {});
    for (const Parameter& parameter : whole->parameters()) {
      if (!parameter.name.ends_with(".bias")) continue;
      CAPTURE(parameter.name);
      CHECK(adapted.parameter(parameter.name).grad().equal(parameter.value.grad()));
      CHECK(parameter.value.grad().abs().max().item<double>() > 0);
    }
  }
}

TEST_CASE("training with bitfit moves the biases and leaves the weights") {
  for (const auto& [name, change] : base_changes("bitfit")) {
    CAPTURE(name);
    CHECK((change > 0) == name.ends_with(".bias"));
  }
}

TEST_CASE("bitfit refuses a model without biases") {
  CHECK_THROWS_WITH(
      Adapted("bitfit", {}, std::make_unique<OneLayer>(at::ones({4, 6}))),
      "bitfit: no seam of targets 'all' has a bias; the model has: classifier; choose lora or ia3");
  CHECK_THROWS_WITH(Adapted("bitfit", {{"targets", "fc9"}}),
                    "bitfit: no seam of targets 'fc9' has a bias; the model has: fc1, fc2, "
                    "classifier; choose lora or ia3");
}
