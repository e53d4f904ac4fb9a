// Memory plans with levers against what the meter sees of a trial's training steps: four families
// by finetune, lora and qlora, with and without checkpointing, and every other lever.
#include "tests/catch.h"
// After Catch.
#include "tests/plan_trial.h"

using namespace lethe;

TEST_CASE("with and without checkpointing a plan's peak is the trainer's within 3 %") {
  for (const char* family : {"gpt2", "llama", "mt5", "bert"}) {
    for (const char* method : {"finetune", "lora", "qlora"}) {
      for (const char* levers : {"none", "checkpointing", "checkpointing=2"}) {
        compare_peaks({family, method, levers, 1}, 0.03);
      }
    }
  }
}

TEST_CASE("the other levers save what the plan says") {
  for (const char* family : {"gpt2", "llama", "mt5"}) {
    for (const char* method : {"finetune", "lora"}) {
      for (const char* levers : {"adamw8bit", "optimizer-in-backward", "chunked-loss=32"}) {
        compare_peaks({family, method, levers, kLeverLength}, 0.03);
      }
      // A plan counts the gradients of a whole checkpointed block at every moment.
      compare_peaks({family, method,
                     "checkpointing,chunked-loss=32,adamw8bit,optimizer-in-backward", kLeverLength},
                    0.06);
    }
  }
}

TEST_CASE("each lever lowers the measured peak where it is meant to") {
  const auto peak = [&](const char* levers) {
    return PlanTrial{"gpt2", "finetune", levers, kLeverLength}.measured();
  };
  const int64_t plain = peak("none");
  for (const char* lever :
       {"checkpointing", "adamw8bit", "optimizer-in-backward", "chunked-loss=32"}) {
    CAPTURE(lever);
    CHECK(peak(lever) < 0.98 * static_cast<double>(plain));
  }
}
