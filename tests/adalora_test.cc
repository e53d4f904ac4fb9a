// AdaLoRA: the budget step by step, sensitivities and scores by hand, the penalties, what is left.
#include "tests/catch.h"
// After Catch.
#include <ATen/ops/eye.h>

#include "core/kernels/update.h"
#include "tests/adapter_case.h"

using namespace lethe;

namespace {

/// Steps of one task with gradients given by hand and an optimizer that moves nothing.
struct Steps : Adapted {
  Steps(const OptionMap& options, int64_t steps) : Adapted("adalora", options) {
    TrainingPlan plan;
    strategy->before_task({1, stream, plan, *model, arena, 5, steps});
  }
  void lambdas(float value) {
    const at::NoGradGuard no_grad;
    for (Parameter& parameter : model->trainable()) {
      if (parameter.name.ends_with("lora_E")) parameter.value.fill_(value);
    }
  }
  void step(const Tensor& gradient) {
    arena.gradient().copy_(gradient);
    kernels::Update step;
    Update update(arena, step, {});
    strategy->contribute(update);
    strategy->after_step({1, 0, batch, before, {}, {}, *model, arena});
  }
  Tensor random_gradient(uint64_t seed) const {
    return at::empty(arena.values().sizes(), at::kFloat).normal_(0, 1, make_generator(seed));
  }
  int64_t left() {
    int64_t count = 0;
    for (Parameter& parameter : model->parameters()) {
      if (parameter.name.ends_with("lora_E")) {
        count += parameter.value.ne(0).sum().item<int64_t>();
      }
    }
    return count;
  }
  Tensor extra() { return strategy->extra_loss({1, 0, stream, batch, before, *model, arena}); }
};

const OptionMap kTwoSeams = {{"rank", "12"}, {"target", "4"}, {"warmup", "0.2"}, {"final", "0.3"}};

/// The value of a flat tensor at one parameter.
Tensor part(const Arena& arena, const Tensor& flat, const std::string& name) {
  for (const ArenaRange& range : arena.ranges()) {
    if (range.name == name) return arena.slice(flat, range);
  }
  throw Error("no range is called " + name);
}

}  // namespace

TEST_CASE("adalora keeps the logits bit for bit at the start") {
  Adapted adapted("adalora", {});
  CHECK(adapted.prepared.equal(adapted.before));
  CHECK(adapted.model->count(true) == 12 * (6 + 8 + 1) + 12 * (8 + 8 + 1));
  CHECK(trained(*adapted.model) == std::vector<std::string>{"fc1.lora_A", "fc1.lora_E",
                                                            "fc1.lora_B", "fc2.lora_A",
                                                            "fc2.lora_E", "fc2.lora_B"});
}

TEST_CASE("adalora adds s P Lambda Q, and merges it") {
  Adapted adapted("adalora", {{"rank", "4"}, {"target", "2"}, {"alpha", "6"}, {"targets", "fc1"}});
  adapted.move(0.5);
  Linear& seam = *adapted.model->linears()[0];
  const Tensor x = adapted.batch.inputs;
  const Tensor lambda = adapted.parameter("fc1.lora_E").view(-1).diag();
  const Tensor product = at::matmul(at::matmul(adapted.parameter("fc1.lora_B"), lambda),
                                    adapted.parameter("fc1.lora_A"));
  const Tensor by_hand = at::linear(x, seam.base().dense() + product * 1.5, seam.bias());
  CHECK(largest_difference(seam.forward(x), by_hand) < 1e-5);
  CHECK(product.abs().max().item<double>() > 0.05);
  const Tensor with = adapted.forward();
  adapted.merge();
  CHECK(largest_difference(adapted.forward(), with) < 1e-5);
}

TEST_CASE("the budget falls by the cube from the warm-up's end to the final steps") {
  Steps steps(kTwoSeams, 10);
  // 24 triplets, 8 at the end; t_i = 2, T - t_f = 7: 8 + 16 (1 - (t - 2) / 5)^3, whole.
  const std::vector<int64_t> budgets = {24, 24, 16, 11, 9, 8, 8, 8, 8, 8};
  for (size_t t = 0; t < budgets.size(); ++t) {
    CAPTURE(t + 1);
    steps.lambdas(1);
    steps.step(steps.random_gradient(t));
    CHECK(steps.left() == budgets[t]);
  }
}

TEST_CASE("between prunings nothing is pruned, and the final pattern stays") {
  OptionMap options = kTwoSeams;
  options["interval"] = "4";
  Steps steps(options, 10);
  const std::vector<int64_t> left = {24, 24, 24, 11, 24, 24, 8, 8, 8, 8};
  std::vector<Tensor> patterns;
  for (size_t t = 0; t < left.size(); ++t) {
    CAPTURE(t + 1);
    steps.lambdas(1);
    steps.step(steps.random_gradient(t));
    CHECK(steps.left() == left[t]);
    patterns.push_back(steps.parameter("fc1.lora_E").clone());
  }
  CHECK(patterns[9].equal(patterns[6]));
  CHECK_FALSE(patterns[6].equal(patterns[3]));
}

TEST_CASE("sensitivity and uncertainty are averaged as in the paper") {
  Steps steps({{"beta1", "0.8"}, {"beta2", "0.6"}}, 100);
  steps.move(0.5);
  Tensor mean = at::zeros_like(steps.arena.values()), spread = mean.clone();
  for (uint64_t t = 0; t < 3; ++t) {
    const Tensor gradient = steps.random_gradient(t);
    steps.step(gradient);
    const Tensor present = (steps.arena.values() * gradient).abs();
    mean = mean * 0.8 + present * 0.2;
    spread = spread * 0.6 + (present - mean).abs() * 0.4;
  }
  CHECK(largest_difference(steps.arena.twin("adalora.sensitivity").tensor(), mean) < 1e-6);
  CHECK(largest_difference(steps.arena.twin("adalora.uncertainty").tensor(), spread) < 1e-6);
  CHECK(spread.max().item<double>() > 0.01);
}

TEST_CASE("the triplets of the largest scores are kept, over all seams") {
  Steps steps({{"rank", "6"}, {"target", "2"}, {"warmup", "0"}, {"final", "0"}}, 1);
  steps.move(0.5);
  steps.lambdas(0.3F);
  steps.step(steps.random_gradient(3));  // the only step: it ends with the target, 2 * 2 triplets
  const Tensor flat = steps.arena.twin("adalora.sensitivity").tensor() *
                      steps.arena.twin("adalora.uncertainty").tensor();
  std::vector<std::pair<double, std::pair<std::string, int64_t>>> scores;
  for (const std::string seam : {"fc1", "fc2"}) {
    const Tensor p = part(steps.arena, flat, seam + ".lora_B");
    const Tensor q = part(steps.arena, flat, seam + ".lora_A");
    const Tensor lambda = part(steps.arena, flat, seam + ".lora_E");
    for (int64_t i = 0; i < 6; ++i) {
      const double score = lambda[i][0].item<double>() + p.select(1, i).mean().item<double>() +
                           q[i].mean().item<double>();
      scores.push_back({score, {seam, i}});
    }
  }
  std::sort(scores.rbegin(), scores.rend());
  for (size_t place = 0; place < scores.size(); ++place) {
    const auto& [seam, i] = scores[place].second;
    CAPTURE(place, seam, i);
    const double lambda = steps.parameter(seam + ".lora_E")[i][0].item<double>();
    CHECK(lambda == (place < 4 ? Approx(0.3) : Approx(0)));
  }
}

TEST_CASE("every task starts with the whole budget and forgotten scores") {
  Steps steps(kTwoSeams, 10);
  for (uint64_t t = 0; t < 10; ++t) steps.step(steps.random_gradient(t));
  TrainingPlan plan;
  steps.strategy->before_task({2, steps.stream, plan, *steps.model, steps.arena, 5, 10});
  CHECK(steps.arena.twin("adalora.sensitivity").tensor().abs().max().item<double>() == 0);
  steps.lambdas(1);
  steps.step(steps.random_gradient(0));
  CHECK(steps.left() == 24);
}

TEST_CASE("orthogonality costs its norm, or its square, and nothing for orthonormal vectors") {
  for (const auto& [form, value] : {std::pair{"norm", 3 * std::sqrt(2.0)}, {"squared", 36.0}}) {
    CAPTURE(form);
    Steps steps({{"rank", "2"},
                 {"target", "1"},
                 {"targets", "fc1"},
                 {"orthogonality", "1"},
                 {"penalty", form}},
                10);
    {
      const at::NoGradGuard no_grad;
      steps.parameter("fc1.lora_B").copy_(at::eye(8).narrow(1, 0, 2));
      steps.parameter("fc1.lora_A").copy_(at::eye(6).narrow(0, 1, 2));
    }
    CHECK(steps.extra().item<double>() == 0);
    {
      const at::NoGradGuard no_grad;
      steps.parameter("fc1.lora_B").mul_(2);  // P^T P - I = 3 I
      steps.parameter("fc1.lora_A").mul_(2);
    }
    CHECK(steps.extra().item<double>() == Approx(value).epsilon(1e-6));
  }
  CHECK_FALSE(Steps({{"orthogonality", "0"}}, 10).extra().defined());
}

TEST_CASE("the orthogonality's gradient is its finite difference") {
  for (const std::string form : {"norm", "squared"}) {
    CAPTURE(form);
    Steps steps({{"rank", "2"}, {"target", "1"}, {"targets", "fc1"}, {"penalty", form}}, 10);
    steps.move(0.5);
    torch::autograd::backward({steps.extra()}, {});
    const at::NoGradGuard no_grad;
    for (const std::string name : {"fc1.lora_A", "fc1.lora_B"}) {
      const Tensor value = steps.parameter(name), at_start = value.clone();
      const Tensor towards = at::empty_like(value).normal_(0, 1, make_generator(2));
      const double h = 1e-3;
      value.copy_(at_start + towards * h);
      const double above = steps.extra().item<double>();
      value.copy_(at_start - towards * h);
      const double below = steps.extra().item<double>();
      value.copy_(at_start);
      const double slope = (value.grad() * towards).sum().item<double>();
      CHECK(slope == Approx((above - below) / (2 * h)).epsilon(1e-2));
    }
  }
}

TEST_CASE("after training each task the target is left and the base is as it was") {
  const auto model = mlp(6, 8, 2, 4);
  TaskStream stream = random_stream(Scenario::class_incremental, 2);
  Method made = method_of("adalora", {{"rank", "6"}, {"target", "2"}});
  auto request = small_request(*model, stream, made);
  request.options.steps = 12;
  train(request);
  int64_t left = 0;
  for (const Parameter& parameter : model->parameters()) {
    if (parameter.name.ends_with("lora_E")) left += parameter.value.ne(0).sum().item<int64_t>();
  }
  CHECK(left == 2 * 2);
  for (const auto& [name, change] : base_changes("adalora")) {
    CAPTURE(name);
    CHECK(change == 0);
  }
}

TEST_CASE("adalora refuses a target above the rank and a task without steps to prune") {
  CHECK_THROWS_WITH(Adapted("adalora", {{"rank", "4"}, {"target", "5"}}),
                    "adalora: target = 5 is above rank = 4; lower the target or raise the rank");
  CHECK_THROWS_WITH(Adapted("adalora", {{"warmup", "0.5"}, {"final", "0.5"}}),
                    "adalora: warmup = 0.5 and final = 0.5 leave no steps to prune in; lower one");
}
