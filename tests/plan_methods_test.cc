// Memory plans of methods that add to a step, against what the meter sees of a trial's steps.
#include "tests/catch.h"
// After Catch.
#include "tests/plan_trial.h"

using namespace lethe;

TEST_CASE("a plan of prompt counts virtual tokens, within 5 % of the trainer's peak") {
  for (const char* family : {"gpt2", "llama", "t5", "mt5"}) {
    for (const int64_t each : {int64_t{1}, kLeverLength}) {
      compare_peaks({family, "prompt", "none", each, 1, {{"tokens", "24"}}}, 0.05);
    }
  }
  const PlanTrial few{"gpt2", "prompt", "none", 1, 1, {{"tokens", "1"}}};
  const PlanTrial many{"gpt2", "prompt", "none", 1, 1, {{"tokens", "96"}}};
  CHECK(many.planned().trainable == 96 * few.planned().trainable);
  CHECK(static_cast<double>(many.measured()) > 1.4 * static_cast<double>(few.measured()));
  CHECK(static_cast<double>(many.planned().peak()) >
        1.4 * static_cast<double>(few.planned().peak()));
}

TEST_CASE("a plan of osf counts both parts of every weight, within 5 % of the trainer's peak") {
  for (const char* family : {"gpt2", "llama", "mt5", "bert"}) {
    for (const int64_t tasks : {1, 2}) compare_peaks({family, "osf", "none", 1, tasks}, 0.05);
  }
}

TEST_CASE("a plan of gem counts past gradients and their pass, within 5 % of the trainer's peak") {
  for (const char* family : {"gpt2", "llama", "mt5", "bert"}) {
    for (const int64_t tasks : {1, 2, 3}) {
      // The pass over all four kept rows is the largest; over one it is the step's own.
      for (const char* batch : {"4", "1"}) {
        compare_peaks({family, "gem", "none", 1, tasks, {{"budget", "4"}, {"batch", batch}}}, 0.05);
      }
    }
  }
}

TEST_CASE("a plan of derpp on tokens counts logits of every position it predicts") {
  for (const char* family : {"gpt2", "llama", "mt5"}) {
    for (const int64_t each : {int64_t{1}, kLeverLength}) {
      for (const char* method : {"derpp", "der"}) {
        compare_peaks({family, method, "none", each, 2, {{"budget", "4"}, {"batch", "2"}}}, 0.05);
      }
    }
  }
  const PlanTrial one{"gpt2", "derpp", "none", 1, 2, {{"budget", "4"}}};
  const PlanTrial all{"gpt2", "derpp", "none", kLeverLength, 2, {{"budget", "4"}}};
  CHECK(all.planned().device[plan::Part::method_state] -
            one.planned().device[plan::Part::method_state] ==
        4 * (kLeverLength - 1) * kTokenVocabulary * 4);
}

TEST_CASE("a plan of derpp counts its passes and logits, within 5 % of the trainer's peak") {
  for (const char* method : {"derpp", "der"}) {
    for (const char* batch : {"4", "1"}) {
      compare_peaks({"bert", method, "none", 1, 2, {{"budget", "4"}, {"batch", batch}}}, 0.05);
    }
  }
}
