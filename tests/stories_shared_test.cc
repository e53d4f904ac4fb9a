// The pretrained model of sweeps/stories_forgetting.toml knows what its probes ask.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "experiments/preflight.h"
#include "experiments/runner.h"
#include "tests/shared.h"
#include "tests/sweep_case.h"

using namespace lethe;

TEST_CASE("stories260K has its published loss on the stories that it was not trained on") {
  // ../shared/data/README.md, C1: 1.2664 nats over 1,804 tokens, accuracy 0.651.
  if (!shared_path("data/checkpoints/stories260K_hf")) return;
  const auto trials =
      expand(read_sweep(std::string(LETHE_SOURCE_DIR) + "/sweeps/stories_forgetting.toml"),
             builtin_methods());
  CHECK(trials.size() == 13 * 5);
  const Trial& trial = trials[0];
  const TaskStream stream = stream_entry(trial.stream.name).make(trial.stream, trial.spec.seed);
  const auto model = starting_model(trial.model, shape_for(stream, trial.model.name), 1, nullptr);
  const at::NoGradGuard no_grad;
  for (const Probe& probe : stream.probes) {
    if (probe.name != "tinystories" || probe.metric.name != "loss") continue;
    double sum = 0;
    int64_t tokens = 0;
    for (int64_t row = 0; row < probe.rows->size(); ++row) {
      const Batch batch = probe.rows->batch({row});
      sum += summed_loss(model->forward(batch), batch);
      tokens += batch.targets.numel();
    }
    CHECK(tokens == 1804);
    CHECK(sum / static_cast<double>(tokens) == Approx(1.2664).margin(5e-5));
    return;
  }
  FAIL("no probe 'tinystories' by loss");
}

TEST_CASE("the repository's sweeps of texts can begin") {
  if (!shared_path("data/checkpoints/stories260K_hf")) return;
  WorkSettings settings;
  settings.registry = &builtin_methods();
  for (const std::string name : {"stories_forgetting", "instructions", "precision_stories"}) {
    CAPTURE(name);
    const auto trials = expand(
        read_sweep(std::string(LETHE_SOURCE_DIR) + "/sweeps/" + name + ".toml"), builtin_methods());
    CHECK_NOTHROW(preflight({trials, {}, settings}));
  }
}
