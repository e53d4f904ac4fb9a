// Each lever against the plain path: the same values, in every family of models and under methods
// that compose with it.
#include "tests/catch.h"
// After Catch.
#include "core/levers.h"
#include "tests/tensors.h"
#include "tests/token_case.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

struct LeverCase {
  std::string family, method = "finetune";
  OptionMap options = {};
  double dropout = 0;
};

struct LeverRun {
  TrialResult result;
  Tensor values;
};

/// Two tasks of three steps.
LeverRun lever_run(const LeverCase& one, const std::string& levers, TrainOptions options = {}) {
  const HfConfig config = HfConfig::parse(token_config(one.family, one.dropout), "config.json");
  const auto model = token_model(config, one.dropout > 0);
  const plan::Form form = model_facts(config).form;
  TaskStream stream = token_stream(form, 2, 12, 10, 6);
  Method method = method_of(one.method, one.options);
  TrainRequest request = small_request(*model, stream, method);
  const std::string optimizer = options.optimizer;
  request.options.optimizer = optimizer;
  request.options.accumulate = options.accumulate;
  request.options.clip = options.clip;
  request.options.steps = 3;
  request.options.batch = 4;
  request.options.samples = 0;
  request.options.lr = 1e-3;
  request.options.levers = levers;
  LeverRun done{train(request), {}};
  std::vector<Tensor> flat;
  for (const Parameter& parameter : model->parameters()) {
    flat.push_back(parameter.value.detach().clone().view({-1}));
  }
  done.values = at::cat(flat);
  return done;
}

const std::vector<LeverCase>& lever_cases() {
  static const std::vector<LeverCase> all = {
      {"gpt2"},
      {"gpt2", "finetune", {}, 0.1},
      {"gpt2", "lora", {{"dropout", "0.1"}}},
      {"gpt2", "ewc", {{"lambda", "10"}}},
      {"llama", "si"},
      {"llama", "olora"},
      {"llama", "prompt"},
      {"t5"},
      {"mt5", "lora+ewc", {{"lambda", "10"}}, 0.1},
      {"bert", "l2", {{"lambda", "0.1"}}, 0.1},
  };
  return all;
}

/// The same bits; of an encoder-decoder, whose decoder's blocks share the encoder's states, the
/// same to rounding, which Adam carries on.
void check_same(const LeverCase& one, const Tensor& plain, const Tensor& other) {
  if (one.family != "t5" && one.family != "mt5") {
    CHECK(other.equal(plain));
  } else {
    CHECK((other - plain).norm().item<double>() <
          1e-2 * 1e-3 * std::sqrt(static_cast<double>(plain.numel())));
  }
}

}  // namespace

TEST_CASE("checkpointing trains to the same bits, one block or two at a time") {
  for (const LeverCase& one : lever_cases()) {
    CAPTURE(one.family, one.method, one.dropout);
    const LeverRun plain = lever_run(one, "none");
    for (const char* levers : {"checkpointing", "checkpointing=2"}) {
      CAPTURE(levers);
      check_same(one, plain.values, lever_run(one, levers).values);
    }
  }
}

TEST_CASE("checkpointing leaves gradients of other batches right: a-gem, distillation, replay") {
  for (const std::string method : {"a-gem", "distill", "replay"}) {
    CAPTURE(method);
    const OptionMap options =
        method == "distill" ? OptionMap() : OptionMap{{"budget", method == "replay" ? "6" : "8"}};
    const LeverCase one = {"gpt2", method, options, 0.1};
    CHECK(lever_run(one, "checkpointing").values.equal(lever_run(one, "none").values));
  }
}

TEST_CASE("moments in 8 bits keep to the plain losses within two in a hundred") {
  for (const LeverCase& one : {LeverCase{"gpt2"}, LeverCase{"llama", "lora", {{"rank", "64"}}},
                               LeverCase{"t5"}, LeverCase{"gpt2", "ewc", {{"lambda", "10"}}}}) {
    CAPTURE(one.family, one.method);
    const LeverRun plain = lever_run(one, "none"), bytes = lever_run(one, "adamw8bit");
    REQUIRE(plain.result.curve.size() == bytes.result.curve.size());
    CHECK_FALSE(bytes.values.equal(plain.values));
    for (size_t i = 0; i < plain.result.curve.size(); ++i) {
      CHECK(bytes.result.curve[i].loss == Approx(plain.result.curve[i].loss).epsilon(0.02));
    }
    CHECK_THAT(bytes.result.notes.back(), Contains("moments in 8 bits on the host"));
    CHECK_THAT(plain.result.notes.back(), Contains("batches of up to 4 rows of 10 tokens; trained "
                                                   "values in float32") &&
                                              Contains("; moments in float32 on the host"));
  }
}

TEST_CASE("optimizer-in-backward moves values to the same bits") {
  for (const LeverCase& one : lever_cases()) {
    CAPTURE(one.family, one.method, one.dropout);
    const LeverRun plain = lever_run(one, "none");
    for (const char* levers : {"optimizer-in-backward", "optimizer-in-backward,checkpointing"}) {
      CAPTURE(levers);
      const LeverRun moved = lever_run(one, levers);
      check_same(one, plain.values, moved.values);
      for (size_t i = 0; i < plain.result.curve.size(); ++i) {
        const CurvePoint &a = plain.result.curve[i], &b = moved.result.curve[i];
        CHECK(a.penalty == Approx(b.penalty).epsilon(1e-4));
        CHECK(a.gradient_norm == Approx(b.gradient_norm).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("a chunked loss differs from the whole one by rounding") {
  for (const LeverCase& one : lever_cases()) {
    if (one.family == "bert") continue;  // one prediction a row
    CAPTURE(one.family, one.method, one.dropout);
    const LeverRun plain = lever_run(one, "none");
    for (const char* levers : {"chunked-loss=7", "chunked-loss", "chunked-loss=5,checkpointing",
                               "chunked-loss=7,optimizer-in-backward"}) {
      CAPTURE(levers);
      const LeverRun chunked = lever_run(one, levers);
      for (size_t i = 0; i < plain.result.curve.size(); ++i) {
        CHECK(plain.result.curve[i].loss == Approx(chunked.result.curve[i].loss).epsilon(2e-5));
      }
      // Adam divides a gradient by its own size: where that is rounding, a step is still a step.
      CHECK((chunked.values - plain.values).norm().item<double>() <
            2e-2 * 1e-3 * std::sqrt(static_cast<double>(plain.values.numel())));
    }
  }
}

TEST_CASE("a chunked step of SGD is the whole one to float32's rounding") {
  TrainOptions options;
  options.optimizer = "sgd";
  for (const char* family : {"gpt2", "llama", "mt5"}) {
    CAPTURE(family);
    const Tensor plain = lever_run({family}, "none", options).values;
    CHECK(largest_difference(lever_run({family}, "chunked-loss=7", options).values, plain) < 1e-6);
    options.accumulate = 2;
    CHECK(largest_difference(lever_run({family}, "chunked-loss=7", options).values,
                             lever_run({family}, "none", options).values) < 1e-6);
    options.accumulate = 1;
  }
}

TEST_CASE("levers that exclude each other, an option, a method or a model are refused") {
  TrainOptions options;
  const auto refused = [&](const LeverCase& one, const char* levers, const char* text) {
    CAPTURE(one.method, levers);
    CHECK_THROWS_WITH(lever_run(one, levers, options), Contains(text));
  };
  refused({"gpt2"}, "checkpoints", "unknown lever 'checkpoints'; known levers: optimizer-in-ba");
  for (const char* offloading : {"offload-optimizer", "offload-activations", "offload-weights"}) {
    refused({"gpt2", "lora"}, offloading, "with device = cpu all memory is the host's");
  }
  refused({"gpt2"}, "accumulate=4", "write train.accumulate = 4 instead");
  refused({"bert"}, "chunked-loss", "one prediction a row");
  refused({"gpt2", "distill"}, "chunked-loss", "chunked-loss excludes distill");
  refused({"gpt2", "a-gem"}, "optimizer-in-backward", "optimizer-in-backward excludes a-gem");
  refused({"gpt2", "rwalk"}, "optimizer-in-backward", "optimizer-in-backward excludes rwalk");
  options.clip = 1;
  refused({"gpt2"}, "optimizer-in-backward", "excludes train.clip = 1");
  options.clip = 0;
  options.accumulate = 2;
  refused({"gpt2"}, "optimizer-in-backward", "excludes train.accumulate = 2");
  options.accumulate = 1;
  options.optimizer = "sgd";
  refused({"gpt2"}, "adamw8bit", "train.optimizer = sgd has no two moments");

  const auto model = mlp(6, 8, 1, 2);
  TaskStream stream = random_stream(Scenario::class_incremental, 1);
  Method method = method_of("finetune");
  TrainRequest request = small_request(*model, stream, method);
  request.options.levers = "checkpointing";
  CHECK_THROWS_WITH(train(request), Contains("this model has no blocks"));
}
