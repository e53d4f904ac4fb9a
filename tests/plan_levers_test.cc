// Memory plans with levers against what the meter sees of a trial's training steps: four families
// by finetune, lora and qlora, with and without checkpointing, and every other lever.
#include "tests/catch.h"
// After Catch.
#include "core/plan/plan.h"
#include "tests/token_case.h"

using namespace lethe;

namespace {

constexpr int64_t kLeverRows = 4, kLeverLength = 96;

/// The highest moment of two training steps, in bytes above what lived before the model.
int64_t measured_trial(const HfConfig& config, const std::string& method, const std::string& levers,
                       int64_t each) {
  install_memory_meter();
  TaskStream stream = token_stream(model_facts(config).form, 1, kLeverRows, kLeverLength, each);
  const int64_t before = live_bytes();
  const auto model = token_model(config);
  if (method == "qlora") {
    for (Linear* seam : model->linears()) {
      if (seam->kind() == SeamKind::linear) seam->set_format("nf4");
    }
  }
  Method strategies = method_of(method == "qlora" ? "lora" : method);
  TrainRequest request = small_request(*model, stream, strategies);
  request.options.steps = 2;
  request.options.batch = kLeverRows;
  request.options.samples = 0;
  request.options.levers = levers;
  reset_phases();
  int64_t peak = 0;
  for (const Usage& row : train(request).usage) {
    if (row.phase == "train" && row.device == "host") peak += row.at_peak;
  }
  return peak - before;
}

int64_t planned_peak(const HfConfig& config, const std::string& method, const std::string& levers,
                     int64_t each) {
  plan::PlanRequest request;
  request.method = method;
  request.batch = kLeverRows;
  request.length = kLeverLength;
  request.predicted = each;
  request.padded = false;
  request.levers = plan::parse_levers(levers);
  return plan::account(model_facts(config), request).peak();
}

void compare_peaks(const std::string& family, const std::string& method, const std::string& levers,
                   int64_t each, double tolerance = 0.03) {
  const HfConfig config = HfConfig::parse(token_config(family), "config.json");
  const int64_t plan = planned_peak(config, method, levers, each);
  const int64_t seen = measured_trial(config, method, levers, each);
  CAPTURE(family, method, levers, each, plan, seen);
  CHECK(static_cast<double>(plan) == Approx(static_cast<double>(seen)).epsilon(tolerance));
}

}  // namespace

TEST_CASE("with and without checkpointing a plan's peak is the trainer's within 3 %") {
  for (const char* family : {"gpt2", "llama", "mt5", "bert"}) {
    for (const char* method : {"finetune", "lora", "qlora"}) {
      for (const char* levers : {"none", "checkpointing", "checkpointing=2"}) {
        compare_peaks(family, method, levers, 1);
      }
    }
  }
}

TEST_CASE("the other levers save what the plan says") {
  for (const char* family : {"gpt2", "llama", "mt5"}) {
    for (const char* method : {"finetune", "lora"}) {
      for (const char* levers : {"adamw8bit", "optimizer-in-backward", "chunked-loss=32"}) {
        compare_peaks(family, method, levers, kLeverLength);
      }
      // A plan counts the gradients of a whole checkpointed block at every moment.
      compare_peaks(family, method, "checkpointing,chunked-loss=32,adamw8bit,optimizer-in-backward",
                    kLeverLength, 0.06);
    }
  }
}

TEST_CASE("each lever lowers the measured peak where it is meant to") {
  const HfConfig config = HfConfig::parse(token_config("gpt2"), "config.json");
  const auto peak = [&](const char* levers) {
    return measured_trial(config, "finetune", levers, kLeverLength);
  };
  const int64_t plain = peak("none");
  for (const char* lever :
       {"checkpointing", "adamw8bit", "optimizer-in-backward", "chunked-loss=32"}) {
    CAPTURE(lever);
    CHECK(peak(lever) < 0.98 * static_cast<double>(plain));
  }
}
