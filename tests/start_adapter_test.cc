// An adapter as a starting point: merged, frozen or trained on, in a trial's text by its digest.
#include "tests/catch.h"
// After Catch.
#include <tuple>

#include "core/formats/peft_config.h"
#include "tests/deploy_case.h"

using namespace lethe;
using Catch::Contains;

namespace {

/// The mean loss of the trial's probe after `task` tasks.
double probe(const TrialRecord& trial, int64_t task) {
  for (const Evaluation& score : trial.result.evaluations) {
    if (score.on_task == 0 && score.after_task == task) return score.score();
  }
  throw Error("no probe");
}

/// Trial 1, a LoRA of rank 2, and its export "adapter".
struct AdapterCase : DeployCase {
  AdapterCase() {
    run(small_sweep(kLora));
    export_model(to("1", "adapter"));
  }
  static std::string starting(const std::string& use) {
    return "family = \"llama\"\nadapter = \"adapter\"\nadapter_use = \"" + use + "\"\n";
  }
  std::string refused(const std::string& methods, const std::string& model) {
    try {
      run(small_sweep(methods, model));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

}  // namespace

TEST_CASE("a trial starts where the adapter ended, and its export holds both") {
  AdapterCase one;
  const TrialRecord first = one.record("1");
  CHECK_THAT(first.key.text, !Contains("adapter"));
  const double ended = probe(first, 2);
  CHECK(probe(first, 0) != Approx(ended).epsilon(1e-3));
  int trial = 1;
  const std::tuple<const char*, std::string, int64_t> cases[] = {
      {"merged", kLora, 4}, {"frozen", kLora, 4}, {"trained", method_table("finetune"), 2}};
  for (const auto& [use, method, rank] : cases) {
    CAPTURE(use);
    const std::string id = std::to_string(++trial);
    one.run(small_sweep(method, AdapterCase::starting(use)));
    const TrialRecord started = one.record(id);
    CHECK(probe(started, 0) == Approx(ended).epsilon(1e-5));
    CHECK(probe(started, 2) != Approx(ended).epsilon(1e-3));
    CHECK_THAT(started.key.text, Contains("model.adapter_use = " + std::string(use)) &&
                                     !Contains("model.adapter = adapter"));
    const ExportArguments plain = one.to(id, use);
    export_model(plain);
    CHECK(read_peft_config(plain.to).rank == rank);
    ExportArguments merged = one.to(id, std::string(use) + "_merged");
    merged.merge = true;
    CHECK_THAT(export_model(merged), Contains("logits differ by at most ") && Contains("e-0"));
  }
}

TEST_CASE("wrong starts are refused at their line") {
  AdapterCase one;
  const std::string file = one.scratch.path("small.toml");
  CHECK(one.refused(kLora, AdapterCase::starting("trained")) ==
        file +
            ":23: method 'lora' brings an adapter of its own, and adapter_use = trained trains the "
            "one that the model starts from; choose merged or frozen, or a method without an "
            "adapter");
  CHECK(one.refused(kLora, "adapter_use = \"frozen\"\n") ==
        file +
            ":14: option 'adapter_use' of model is frozen, but no adapter is given; set "
            "model.adapter");
  CHECK_THAT(one.refused(kLora, "adapter = \"none\"\n"),
             Contains("small.toml:14: ") && Contains("none/adapter_config.json"));
  CHECK_THAT(one.refused(kLora, AdapterCase::starting("melted")),
             Contains("option 'adapter_use' of model is 'melted'; expected one of merged, frozen, "
                      "trained"));
}
