// LoRA's adapters: the start, the merge, what is trained, and the NF4 base beneath them.
#include "tests/catch.h"
// After Catch.
#include "tests/adapter_case.h"
#include "tests/engine_case.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

struct AdaptedLinear {
  explicit AdaptedLinear(const OptionMap& options)
      : model(mlp(6, 8, 2, 4)), stream(random_stream(Scenario::class_incremental, 2)) {
    batch = stream.tasks[0].train->batch({0, 1, 2, 3, 4});
    before = model->forward(batch).detach();
    strategy = builtin_methods().at("lora").make(options);
    Setup setup{*model, arena, stream, make_generator(1), {}};
    strategy->prepare(setup);
  }

  /// As if trained: B is no longer 0.
  void move() {
    const at::NoGradGuard no_grad;
    for (Parameter& parameter : model->trainable()) parameter.value.add_(0.1);
  }

  std::unique_ptr<Model> model;
  TaskStream stream;
  Arena arena;
  Batch batch;
  Tensor before;
  std::unique_ptr<Strategy> strategy;
};

}  // namespace

TEST_CASE("the gradients of a low-rank sum are its finite differences") {
  AdaptedLinear adapted(OptionMap{{"rank", "3"}, {"alpha", "4"}});
  Linear& seam = *adapted.model->linears()[0];
  at::Generator generator = make_generator(3);
  const auto drawn = [&](at::IntArrayRef shape) {
    return at::empty(shape, at::kFloat).uniform_(-1, 1, generator);
  };
  std::vector<std::pair<std::string, Tensor>> inputs = {{"x", drawn({5, 6}).requires_grad_()}};
  const Tensor weights = drawn({5, 8});
  seam.parameters([&](const std::string& name, Tensor& value) {
    if (!value.requires_grad()) return;
    const at::NoGradGuard no_grad;
    value.copy_(drawn(value.sizes()));
    inputs.emplace_back(name, value);
  });
  REQUIRE(inputs.size() == 3);
  const auto sum = [&] { return (seam.forward(inputs[0].second) * weights).sum(); };
  torch::autograd::backward({sum()}, {});
  for (const auto& [name, value] : inputs) {
    CAPTURE(name);
    const double largest = value.grad().abs().max().item<double>();
    CHECK(largest > 0.1);
    for (int64_t i = 0; i < value.numel(); ++i) {
      // The sum is linear in each input: only rounding is left.
      const double slope = central_difference(value, i, 0.5, [&] { return sum().item<double>(); });
      CHECK(value.grad().view({-1})[i].item<double>() ==
            Approx(slope).epsilon(1e-4).margin(1e-5 * largest));
    }
  }
}

TEST_CASE("the logits do not change before training") {
  AdaptedLinear adapted(OptionMap{{"rank", "2"}});
  CHECK(adapted.model->forward(adapted.batch).equal(adapted.before));
}

TEST_CASE("rank times (in + out) values are trained for each adapted Linear") {
  AdaptedLinear adapted(OptionMap{{"rank", "2"}});
  CHECK(adapted.model->count(true) == 2 * (6 + 8) + 2 * (8 + 8));
  CHECK(trained(*adapted.model) ==
        std::vector<std::string>{"fc1.lora_A.weight", "fc1.lora_B.weight", "fc2.lora_A.weight",
                                 "fc2.lora_B.weight"});
}

TEST_CASE("the adapter adds alpha / rank times B A x, or alpha / sqrt(rank)") {
  for (const bool rslora : {false, true}) {
    CAPTURE(rslora);
    AdaptedLinear adapted(
        {{"rank", "4"}, {"alpha", "6"}, {"targets", "fc1"}, {"rslora", rslora ? "true" : "false"}});
    Linear& seam = *adapted.model->linears()[0];
    const Tensor x = adapted.batch.inputs, base = seam.forward(x);
    adapted.move();
    Tensor a, b;
    seam.parameters([&](const std::string& name, Tensor& value) {
      if (name == "fc1.lora_A.weight") a = value;
      if (name == "fc1.lora_B.weight") b = value;
    });
    const Tensor product = at::matmul(at::matmul(x, a.t()), b.t());
    const double scale = rslora ? 3 : 1.5;
    CHECK(largest_difference(seam.forward(x), base + product * scale) < 1e-6);
    CHECK(product.abs().max().item<double>() > 0.01);
  }
}

TEST_CASE("merged weights give the same logits") {
  AdaptedLinear adapted(OptionMap{{"rank", "2"}});
  adapted.move();
  const Tensor with = adapted.model->forward(adapted.batch).detach();
  CHECK(largest_difference(with, adapted.before) > 1e-3);
  for (Linear* seam : adapted.model->linears()) seam->merge_adapters();
  CHECK(largest_difference(adapted.model->forward(adapted.batch), with) < 1e-6);
  CHECK(adapted.model->linears()[0]->adapters().empty());
}

TEST_CASE("targets, biases and whole modules are chosen by name") {
  AdaptedLinear adapted({{"rank", "1"},
                         {"targets", "fc2"},
                         {"bias", "lora_only"},
                         {"modules_to_save", "classifier"}});
  CHECK(trained(*adapted.model) ==
        std::vector<std::string>{"fc2.bias", "fc2.lora_A.weight", "fc2.lora_B.weight",
                                 "classifier.weight", "classifier.bias"});
}

TEST_CASE("a target that no Linear has is refused with the names there are") {
  CHECK_THROWS_WITH(AdaptedLinear(OptionMap{{"targets", "q_proj,c1"}}),
                    "lora: no Linear ends with one of 'q_proj,c1'; the model has: fc1, fc2, "
                    "classifier");
}

TEST_CASE("training moves the adapters and leaves the base") {
  const auto model = mlp(6, 8, 2, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  const Tensor weight = model->parameters()[0].value.clone();
  Method method = method_of("lora", {{"rank", "2"}});
  const TrialResult result = train(small_request(*model, stream, method));
  CHECK(model->parameters()[0].name == "fc1.weight");
  CHECK(model->parameters()[0].value.equal(weight));
  CHECK(result.trainable_parameters == 60);
  CHECK(result.total_parameters == 60 + 6 * 8 + 8 + 8 * 8 + 8 + 8 * 4 + 4);
}

TEST_CASE("an NF4 base is frozen, keeps its codes and stands within half a step of the weights") {
  auto model = mlp(6, 32, 2, 4);
  const Tensor dense = model->linears()[1]->base().dense().detach().clone();
  for (Linear* seam : model->linears()) {
    if (seam->kind() == SeamKind::linear) seam->set_format("nf4");
  }
  Linear& seam = *model->linears()[1];
  CHECK(std::string(seam.base().format()) == "nf4");
  const Tensor quantised = seam.base().dense().detach().clone();
  // The widest gap of the NF4 table is 0.3038 of a block's largest value.
  CHECK(largest_difference(quantised, dense) <= 0.152 * dense.abs().max().item<double>());
  CHECK(largest_difference(quantised, dense) > 0);
  CHECK(make_nf4(quantised)->dense().equal(quantised));
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method method = method_of("qlora", {{"rank", "2"}});
  const TrialResult result = train(small_request(*model, stream, method));
  CHECK(seam.base().dense().equal(quantised));
  CHECK(result.trainable_parameters == 2 * (6 + 32) + 2 * (32 + 32));
}
