// O-LoRA: golden penalties by hand, their gradients, and the authors' own loss.
#include "tests/catch.h"
// After Catch.
#include "tests/peft_case.h"
#include "tests/tensors.h"

using namespace lethe;

namespace {

Batch three_features() {
  Batch batch;
  batch.inputs = at::arange(15, at::kFloat).view({5, 3}) / 10 - 0.7;
  batch.targets = at::tensor(std::vector<int64_t>{0, 1, 2, 3, 0});
  return batch;
}

/// One adapted seam of three inputs in its second task, with A_old and A_new.
struct GoldenRun : Adapted {
  explicit GoldenRun(OptionMap options)
      : Adapted("olora", with_seam(std::move(options)), mlp(3, 8, 1, 4), three_features()) {
    adapt(2);
    const at::NoGradGuard no_grad;
    parameter("fc1.lora_A.earlier.weight")
        .copy_(at::tensor({1.F, 0.F, 2.F, 0.F, 1.F, -1.F}).view({2, 3}));
    parameter("fc1.lora_A.task2.weight")
        .copy_(at::tensor({.5F, .5F, 0.F, 1.F, -1.F, 1.F}).view({2, 3}));
  }
  static OptionMap with_seam(OptionMap options) {
    options.insert({{"rank", "2"}, {"targets", "fc1"}});
    return options;
  }
  Tensor extra() {
    return strategy->extra_loss({2, 0, stream, batch, model->forward(batch), *model, arena});
  }
};

double extra_of(const OptionMap& options) {
  const Tensor extra = GoldenRun(options).extra();
  return extra.defined() ? extra.item<double>() : 0;
}

}  // namespace

TEST_CASE("olora's penalties have the golden values") {
  CHECK(extra_of({{"lambda1", "1"}}) == Approx(6).epsilon(1e-6));
  CHECK(extra_of({{"lambda1", "0.5"}}) == Approx(3).epsilon(1e-6));
  CHECK(extra_of({{"lambda1", "1"}, {"penalty", "squared"}}) == Approx(13.5).epsilon(1e-6));
  CHECK(extra_of({{"lambda1", "0"}, {"lambda2", "1"}}) == Approx(1.87082869).epsilon(1e-7));
  CHECK(extra_of({{"lambda1", "2"}, {"lambda2", "0.1"}}) == Approx(12.187082869).epsilon(1e-6));
  CHECK(extra_of({{"lambda1", "0"}}) == 0);
}

TEST_CASE("olora's norms count B too") {
  GoldenRun golden(OptionMap{{"lambda1", "0"}, {"lambda2", "1"}});
  {
    const at::NoGradGuard no_grad;
    golden.parameter("fc1.lora_B.task2.weight").fill_(0.5);  // (8, 2): norm 2
  }
  CHECK(golden.extra().item<double>() == Approx(3.87082869).epsilon(1e-7));
}

TEST_CASE("olora's gradients are the finite differences of its penalties") {
  for (const auto& [form, tolerance] : {std::pair{"absolute", 2e-3}, std::pair{"squared", 2e-2}}) {
    CAPTURE(form);
    GoldenRun golden(OptionMap{{"lambda1", "0.7"}, {"lambda2", "0.3"}, {"penalty", form}});
    golden.arena.gradient().zero_();
    torch::autograd::backward({golden.extra()}, {});
    const Tensor a = golden.parameter("fc1.lora_A.task2.weight");
    const Tensor gradient = a.grad().clone();
    for (int64_t i = 0; i < 6; ++i) {
      const double slope =
          central_difference(a, i, 1e-2, [&] { return golden.extra().item<double>(); });
      CHECK(gradient.view(-1)[i].item<double>() == Approx(slope).margin(tolerance));
    }
    // The norm of B = 0 has no slope to follow.
    CHECK(golden.parameter("fc1.lora_B.task2.weight").grad().abs().max().item<double>() == 0);
  }
}

TEST_CASE("olora leaves the earlier adapters and the base alone") {
  GoldenRun golden(OptionMap{});
  CHECK_FALSE(golden.parameter("fc1.lora_A.earlier.weight").requires_grad());
  CHECK(trained(*golden.model) ==
        std::vector<std::string>{"fc1.lora_A.task2.weight", "fc1.lora_B.task2.weight"});
  for (const auto& [name, change] : base_changes("olora")) {
    CAPTURE(name);
    CHECK(change == 0);
  }
}

TEST_CASE("the first task has no overlap to punish") {
  Adapted adapted("olora", {{"rank", "2"}});
  CHECK(adapted.prepared.equal(adapted.before));
  CHECK_FALSE(adapted.strategy
                  ->extra_loss({1, 0, adapted.stream, adapted.batch, adapted.before, *adapted.model,
                                adapted.arena})
                  .defined());
}

TEST_CASE("olora without weights is inclora, and with them keeps the overlap smaller") {
  std::vector<std::string> digests;
  std::vector<double> overlaps;
  for (const auto& [method, lambda] :
       {std::pair{"inclora", ""}, {"olora", "0"}, {"olora", "0.5"}}) {
    const auto model = mlp(6, 8, 2, 4);
    TaskStream stream = random_stream(Scenario::class_incremental, 2);
    OptionMap options = {{"rank", "2"}, {"alpha", "8"}};
    if (*lambda != 0) options["lambda1"] = lambda;
    Method made = method_of(method, options);
    auto request = small_request(*model, stream, made);
    request.options.steps = 40;
    digests.push_back(train(request).weights_digest);
    std::map<std::string, Tensor> values;
    for (const Parameter& parameter : model->parameters()) values[parameter.name] = parameter.value;
    overlaps.push_back(
        at::matmul(values.at("fc1.lora_A.earlier.weight"), values.at("fc1.lora_A.task2.weight").t())
            .abs()
            .sum()
            .item<double>());
  }
  CHECK(digests[0] == digests[1]);
  CHECK(digests[1] != digests[2]);
  CHECK(overlaps[2] < 0.2 * overlaps[1]);
}

TEST_CASE("olora refuses a model without an adapter seam of its targets") {
  CHECK_THROWS_WITH(
      Adapted("olora", {}, std::make_unique<OneLayer>(at::ones({4, 6}))),
      "olora needs an adapter seam, a Linear beside the head, and the model has none: "
      "its Linears are classifier; take a model with a hidden layer, or name the head "
      "in targets");
  CHECK_THROWS_WITH(
      Adapted("olora", {{"targets", "q_proj"}}, std::make_unique<OneLayer>(at::ones({4, 6}))),
      "olora: no Linear ends with one of 'q_proj'; the model has: classifier");
}

TEST_CASE("olora's logits, loss and gradients are the authors'", "[shared]") {
  const auto fixtures = shared_path("fixtures");
  if (!fixtures) return;
  const auto folder = *fixtures / "olora" / "llama";
  const auto expected = named_tensors(folder / "expected.safetensors");
  const FixtureRows rows(expected);
  Adapted adapted("olora", {{"rank", "4"}, {"alpha", "8"}, {"targets", "q_proj,v_proj"}},
                  fixture_model("llama", *fixtures / "hf"), rows.counted);
  adapted.adapt(2);
  // The earlier adapters come back as from a checkpoint, here of rank 6.
  std::map<std::string, Tensor> kept;
  const auto weights = named_tensors(folder / "lora_weights.safetensors");
  for (const auto& [name, value] : weights) {
    const size_t at = name.rfind(".weight");
    if (name.find("loranew") == std::string::npos) kept[name.substr(0, at)] = value;
  }
  Archive archive(Archive::Direction::read, kept);
  adapted.strategy->state(archive);
  const auto ours = [](std::string name) {
    name.replace(name.find("loranew_"), 8, "lora_");
    return name.insert(name.rfind(".weight"), ".task2");
  };
  for (const auto& [name, value] : weights) {
    const at::NoGradGuard no_grad;
    if (name.find("loranew") != std::string::npos) adapted.parameter(ours(name)).copy_(value);
  }
  CHECK(rows.difference(adapted.model->forward(rows.all), expected.at("logits")) < 1e-4);
  adapted.arena.gradient().zero_();
  const Tensor logits = adapted.model->forward(rows.counted);
  const Tensor extra = adapted.strategy->extra_loss(
      {2, 0, adapted.stream, rows.counted, logits, *adapted.model, adapted.arena});
  const Tensor loss = task_loss(logits, rows.counted) + extra;
  CHECK(extra.item<double>() == Approx(0.5 * 34.53758001327515).epsilon(1e-5));
  CHECK(loss.item<double>() == Approx(23.5676326751709).epsilon(1e-5));
  torch::autograd::backward({loss}, {});
  for (const auto& [name, theirs] : named_tensors(folder / "expected_grads.safetensors")) {
    CAPTURE(name);
    const double scale = theirs.abs().max().item<double>();
    CHECK(largest_difference(adapted.parameter(ours(name)).grad(), theirs) < 1e-3 * scale);
  }
}

TEST_CASE("olora goes on from a checkpoint of its second task, bit for bit") {
  const OptionMap options = {{"targets", "fc1"}};
  const std::string whole = digest_of("olora", options);
  CHECK(digest_of("olora", options, 1) == whole);
  CHECK(digest_of("olora", options, 2) == whole);
}
