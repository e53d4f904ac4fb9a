// The pretrained model of sweeps/stories_forgetting.toml knows what its probes ask.
#include "tests/catch.h"
// After Catch.
#include "core/loss.h"
#include "experiments/preflight.h"
#include "experiments/runner.h"
#include "tests/shared.h"
#include "tests/sweep_case.h"

using namespace lethe;

namespace {

/// The sweep's first trial, of finetune, before its training.
struct Beginning {
  Beginning()
      : trials(expand(read_sweep(std::string(LETHE_SOURCE_DIR) + "/sweeps/stories_forgetting.toml"),
                      builtin_methods())),
        stream(stream_entry(trials[0].stream.name).make(trials[0].stream, trials[0].spec.seed)),
        model(
            starting_model(trials[0].model, shape_for(stream, trials[0].model.name), 1, nullptr)) {}
  std::vector<Trial> trials;
  TaskStream stream;
  std::unique_ptr<Model> model;
};

}  // namespace

TEST_CASE("stories260K has its published loss on the stories that it was not trained on") {
  // ../shared/data/README.md, C1: 1.2664 nats over 1,804 tokens, accuracy 0.651.
  if (!shared_path("data/checkpoints/stories260K_hf")) return;
  const Beginning beginning;
  const TaskStream& stream = beginning.stream;
  const auto& model = beginning.model;
  CHECK(beginning.trials.size() == 13 * 5);
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

TEST_CASE("a hundred steps of Shakespeare on all weights take the stories past 2.5 nats") {
  // ../shared/data/README.md, C1: 2.561 after 25 steps, 2.801 after 100.
  if (!shared_path("data/checkpoints/stories260K_hf")) return;
  Beginning beginning;
  TaskStream& stream = beginning.stream;
  stream.tasks.resize(1);
  stream.tasks[0].test = stream.tasks[0].validation;
  std::erase_if(stream.probes, [](const Probe& probe) {
    return probe.name != "tinystories" || probe.metric.name != "loss";
  });
  Method method =
      make_method(builtin_methods(), parse_method(builtin_methods(), "finetune", {}).parts);
  TrainRequest request{*beginning.model, stream, method};
  request.options = parse_options<TrainOptions>("train", beginning.trials[0].spec.training);
  CHECK(request.options.steps == 100);
  const TrialResult result = train(request);
  std::vector<double> stories;
  for (const Evaluation& one : result.evaluations) {
    if (one.on_task == 0) stories.push_back(one.score());
  }
  REQUIRE(stories.size() == 2);
  CHECK(stories[0] == Approx(1.2664).margin(5e-5));
  CHECK(stories[1] > 2.5);
  CHECK(stories[1] < 3.2);
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
