// Trials whose values are stored in bfloat16, beside the same in float32, and their memory.
#include "tests/catch.h"
// After Catch.
#include "core/importance.h"
#include "tests/files.h"
#include "tests/plan_trial.h"
#include "tests/tensors.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

constexpr double kRate = 1e-4;
constexpr int kSteps = 8;

struct Bf16Case {
  std::string family, method = "finetune";
  OptionMap options = {};
};

struct Bf16Run {
  TrialResult result;
  std::vector<Parameter> parameters;
  std::unique_ptr<Model> model;
};

/// Two tasks of four steps.
Bf16Run bf16_run(const Bf16Case& one, const std::string& levers,
                 const std::function<void(TrainRequest&)>& change = {}) {
  const HfConfig config = HfConfig::parse(token_config(one.family), "config.json");
  Bf16Run run;
  run.model = token_model(config);
  TaskStream stream = token_stream(model_facts(config).form, 2, 12, 10, 6);
  Method method = method_of(one.method, one.options);
  TrainRequest request = small_request(*run.model, stream, method);
  request.options.steps = 4;
  request.options.batch = 4;
  request.options.samples = 0;
  request.options.lr = kRate;
  request.options.levers = levers;
  if (change) change(request);
  run.result = train(request);
  run.parameters = run.model->parameters();
  return run;
}

const std::vector<Bf16Case>& bf16_cases() {
  static const std::vector<Bf16Case> all = {{"gpt2"},
                                            {"gpt2", "lora"},
                                            {"gpt2", "ewc", {{"lambda", "10"}}},
                                            {"gpt2", "replay", {{"budget", "6"}}},
                                            {"gpt2", "a-gem", {{"budget", "6"}}},
                                            {"gpt2", "distill"},
                                            {"gpt2", "dora"},
                                            {"gpt2", "ia3"},
                                            {"gpt2", "bitfit"},
                                            {"gpt2", "freeze"},
                                            {"llama"},
                                            {"llama", "si"},
                                            {"llama", "rwalk"},
                                            {"llama", "mas"},
                                            {"llama", "olora"},
                                            {"llama", "prompt"},
                                            {"t5", "norm-tuning"},
                                            {"mt5", "lora+ewc", {{"lambda", "10"}}},
                                            {"bert", "l2", {{"lambda", "0.1"}}}};
  return all;
}

/// How far two runs' losses are apart at most.
double losses_apart(const TrialResult& a, const TrialResult& b) {
  REQUIRE(a.curve.size() == b.curve.size());
  double most = 0;
  for (size_t i = 0; i < a.curve.size(); ++i) {
    most = std::max(most, std::abs(a.curve[i].loss - b.curve[i].loss));
  }
  return most;
}

}  // namespace

TEST_CASE("every method trains in bfloat16 beside float32, masters and none") {
  for (const Bf16Case& one : bf16_cases()) {
    CAPTURE(one.family, one.method);
    const Bf16Run plain = bf16_run(one, "none");
    for (const char* levers : {"bf16", "bf16-stochastic"}) {
      CAPTURE(levers);
      const Bf16Run narrow = bf16_run(one, levers);
      // Weights are right to 8 bits.
      CHECK(losses_apart(narrow.result, plain.result) < 0.01 * plain.result.curve[0].loss);
      // Where masters are kept values are rounded once, else in every step; Adam's steps are of
      // any sign where gradients are rounding alone.
      const double roundings = levers == std::string("bf16") ? 1 : 2 * kSteps;
      for (size_t i = 0; i < plain.parameters.size(); ++i) {
        CAPTURE(plain.parameters[i].name);
        const Tensor& value = narrow.parameters[i].value;
        REQUIRE(value.scalar_type() == at::kBFloat16);
        const Tensor expected = plain.parameters[i].value.detach();
        const Tensor off = (value.detach().to(at::kFloat) - expected).abs();
        const Tensor most = expected.abs() * (roundings * 0x1p-8) + 3 * kSteps * kRate;
        CHECK((off <= most).all().item<bool>());
      }
      CHECK(narrow.result.weights_digest != plain.result.weights_digest);
    }
  }
}

TEST_CASE("bfloat16 composes with other levers to the same bits") {
  for (const Bf16Case& one :
       {Bf16Case{"llama"}, Bf16Case{"llama", "si"}, Bf16Case{"bert", "lora"}}) {
    for (const std::string levers : {"bf16", "bf16-stochastic"}) {
      CAPTURE(one.family, one.method, levers);
      const std::string digest = bf16_run(one, levers).result.weights_digest;
      for (const char* more : {"checkpointing", "optimizer-in-backward"}) {
        CAPTURE(more);
        CHECK(bf16_run(one, levers + "," + more).result.weights_digest == digest);
      }
      const TrialResult bytes = bf16_run(one, levers + ",adamw8bit").result;
      CHECK(losses_apart(bytes, bf16_run(one, "adamw8bit").result) < 0.01 * bytes.curve[0].loss);
    }
  }
}

TEST_CASE("a trial in bfloat16 continues from its checkpoint to the same bits") {
  for (const char* levers : {"bf16", "bf16-stochastic", "bf16-stochastic,adamw8bit"}) {
    for (const int64_t last_step : {0, 6}) {
      CAPTURE(levers, last_step);
      const Bf16Case one = {"llama", "ewc", {{"lambda", "10"}}};
      const std::string whole = bf16_run(one, levers).result.weights_digest;
      const Scratch scratch;
      const auto stop = [&](TrainRequest& request) {
        request.checkpoint = scratch.path("trial");
        request.checkpoint_steps = 2;
        request.last_step = last_step;
        request.last_task = last_step == 0 ? 1 : 0;
      };
      const auto go_on = [&](TrainRequest& request) { request.checkpoint = scratch.path("trial"); };
      CHECK_THROWS_AS(bf16_run(one, levers, stop), Interrupted);
      CHECK(bf16_run(one, levers, go_on).result.weights_digest == whole);
    }
  }
}

TEST_CASE("seeds round apart, the same seed alike") {
  const auto digest = [](int64_t seed) {
    return bf16_run({"llama"}, "bf16-stochastic",
                    [&](TrainRequest& request) { request.seed = seed; })
        .result.weights_digest;
  };
  CHECK(digest(1) == digest(1));
  CHECK(digest(1) != digest(2));
}

TEST_CASE("importances of values in bfloat16 need no loop over rows") {
  const HfConfig config = HfConfig::parse(token_config("llama"), "config.json");
  for (const ValueStore store : {ValueStore::bf16, ValueStore::bf16_with_master}) {
    const auto model = token_model(config);
    const TaskStream stream = token_stream(model_facts(config).form, 1, 6, 10, 6);
    Arena arena;
    arena.store_as(store);
    arena.lay_out(*model);
    const TaskEnd end{1, stream, *stream.tasks[0].train, *model, arena, make_generator(1), 4};
    CHECK(rows_need_no_loop(end));
  }
}

TEST_CASE("plans of values in bfloat16 are the trainer's within 3 %") {
  for (const char* family : {"gpt2", "llama", "mt5", "bert"}) {
    for (const char* method : {"finetune", "lora", "ewc"}) {
      for (const char* levers :
           {"bf16", "bf16-stochastic", "bf16-stochastic,optimizer-in-backward"}) {
        compare_peaks({family, method, levers, 1}, 0.03);
      }
    }
    compare_peaks({family, "qlora", "bf16", 1}, 0.03);
  }
  compare_peaks({"llama", "finetune",
                 "bf16-stochastic,adamw8bit,optimizer-in-backward,checkpointing", kLeverLength},
                0.06);
}

TEST_CASE("the meter sees trained values, gradients and masters in the bytes of the plan") {
  const auto most = [](const char* levers) {
    std::map<std::string, int64_t> bytes;
    for (const Usage& row : PlanTrial{"llama", "finetune", levers, 1}.trained().usage) {
      if (row.phase == "train") bytes[row.category] = row.peak;
    }
    return bytes;
  };
  auto plain = most("none"), masters = most("bf16"), alone = most("bf16-stochastic");
  const int64_t values = plain["gradients"];
  REQUIRE(values > 0);
  CHECK(masters["gradients"] == values / 2);
  CHECK(masters["trained weights"] == values / 2);
  CHECK(masters["optimizer"] == plain["optimizer"] + values);
  CHECK(alone["gradients"] == values / 2);
  CHECK(alone["trained weights"] == values / 2);
}

TEST_CASE("bfloat16 is refused where it can't be") {
  const auto trained = [](const std::string& method, const std::string& levers) {
    bf16_run({"llama", method}, levers);
  };
  CHECK_THROWS_WITH(trained("finetune", "bf16,bf16-stochastic"),
                    "train.levers has bf16, which excludes bf16-stochastic: the one keeps float32 "
                    "copies, the other does without; drop one of them");
  for (const std::string method : {"osf", "adalora"}) {
    CHECK_THROWS_WITH(trained(method, "bf16"),
                      "bf16 excludes " + method +
                          ": it sets trained values itself, in float32; drop one of them");
  }
  CHECK_THROWS_WITH(trained("osf", "bf16-stochastic"), Contains("bf16-stochastic excludes osf"));
}
