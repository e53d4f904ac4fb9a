// Memory plans of whole training steps beside what the meter sees of them. Include tests/catch.h
// first.
#pragma once

#include <string>

#include "core/plan/plan.h"
#include "tests/plan_configs.h"
#include "tests/token_case.h"

namespace lethe {

constexpr int64_t kLeverRows = 4, kLeverLength = 96;

/// A trial of small models on tokens, and the plan of its last task's steps.
struct PlanTrial {
  std::string family, method, levers = "none";
  int64_t each = 1;  ///< positions of a row that are predicted
  int64_t tasks = 1;
  OptionMap options = {};  ///< of the method
  int64_t rows = kLeverRows;
  at::Device device = at::kCPU;
  int64_t length = kLeverLength;

  HfConfig config() const { return HfConfig::parse(token_config(family), "config.json"); }

  /// The trial of two training steps a task.
  TrialResult trained() const {
    install_memory_meter();
    TaskStream stream = token_stream(model_facts(config()).form, tasks, kLeverRows, length, each);
    const auto model = token_model(config());
    if (method == "qlora") {
      for (Linear* seam : model->linears()) {
        if (seam->kind() == SeamKind::linear) seam->set_format("nf4");
      }
    }
    Method strategies = method_of(method == "qlora" ? "lora" : method, options);
    TrainRequest request = small_request(*model, stream, strategies);
    request.options.steps = 2;
    request.options.batch = rows;
    request.options.samples = 0;
    request.options.levers = levers;
    request.device = device;
    reset_phases();
    return train(request);
  }

  /// The highest moment of its steps, in bytes above what lived before the model; of a device all
  /// that is there.
  int64_t measured() const {
    const int64_t before = device.is_cpu() ? live_bytes() : 0;
    const char* where = device.is_cpu() ? "host" : "cuda";
    int64_t peak = 0;
    for (const Usage& row : trained().usage) {
      if (row.phase == "train" && row.device == where) peak += row.at_peak;
    }
    return peak - before;
  }

  plan::PlanRequest request() const {
    plan::PlanRequest made = even_request(method, rows, length, each);
    made.tasks = tasks;
    made.levers = plan::parse_levers(levers);
    const auto number = [&](const char* option, int64_t& value) {
      const auto given = options.find(option);
      if (given != options.end()) value = std::stoll(given->second);
    };
    number("budget", made.budget);
    number("batch", made.memory_rows);
    number("tokens", made.virtual_tokens);
    return made;
  }
  plan::Account planned() const { return plan::account(model_facts(config()), request()); }
};

/// Holds the plan's peak against the measured one.
inline void compare_peaks(const PlanTrial& trial, double tolerance) {
  const plan::Account planned = trial.planned();
  const int64_t plan = planned.peak(), seen = trial.measured();
  CAPTURE(trial.family, trial.method, trial.levers, trial.each, plan, seen, planned.moment);
  CHECK(static_cast<double>(plan) == Approx(static_cast<double>(seen)).epsilon(tolerance));
}

}  // namespace lethe
