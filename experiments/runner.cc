#include "experiments/runner.h"

#include <chrono>

#include "core/error.h"
#include "core/memory.h"
#include "core/models/models.h"
#include "core/seeds.h"
#include "core/trainer.h"
#include "core/update.h"

namespace lethe {
namespace {

/// A stopped trial loses at most so much; shorter ones write nothing.
constexpr double kCheckpointSeconds = 20;

/// Scores of a model that never learned anything, for forward transfer over chance.
void add_random_row(const Trial& trial, const TaskStream& stream, const ModelShape& shape,
                    const at::Device& device, TrialResult& result) {
  const auto training = parse_options<TrainOptions>("train", trial.spec.training);
  std::vector<Evaluation> scores;
  const auto& options = trial.spec.model.options;
  const auto pretrained = options.find("pretrain_steps");
  if (pretrained == options.end() || pretrained->second == "0") {
    for (const Evaluation& score : result.evaluations) {
      if (score.after_task == 0 && score.on_task > 0) scores.push_back(score);
    }
  } else {
    const auto model = model_entry(trial.spec.model.name)
                           .make(options, shape, make_generator(seed_for(trial.spec.seed, "init")));
    move_to(*model, device);
    for (Evaluation& score : evaluate(*model, stream, 0, 0, training)) {
      if (score.on_task > 0) scores.push_back(score);
    }
  }
  for (Evaluation& score : scores) {
    score.after_task = -1;
    result.evaluations.push_back(score);
  }
}

}  // namespace

void apply_base(Model& model, const std::string& format) {
  if (format == "float") return;
  for (Linear* linear : model.linears()) {
    if (linear->kind() == SeamKind::linear) linear->set_format(format);
  }
}

TrialResult run_trial(const Trial& trial, const RunSettings& settings) {
  const auto began = std::chrono::steady_clock::now();
  const double cpu_began = cpu_seconds();
  reset_phases();
  begin_phase("load");
  const at::Device device = open_device(settings.device);
  TaskStream stream = stream_entry(trial.stream.name).make(trial.stream, trial.spec.seed);
  for (const std::string& warning : stream.warnings) {
    if (settings.warn) settings.warn(warning);
  }
  const ModelShape shape = shape_for(stream);
  std::unique_ptr<Model> model;
  {
    const MemoryTag tag(Category::base_weights);
    model = starting_model(trial.spec.model, shape, trial.spec.seed, settings.stop);
    apply_base(*model, trial.spec.model.options.at("base"));
  }
  Method method = make_method(*settings.registry, trial.spec.method);
  const std::chrono::duration<double> loaded = std::chrono::steady_clock::now() - began;
  const double cpu_loaded = cpu_seconds() - cpu_began;
  TrainRequest request{*model,          stream,
                       method,          parse_options<TrainOptions>("train", trial.spec.training),
                       trial.spec.seed, device};
  request.open_teacher = [&](const TeacherRequest& wanted) {
    auto teacher = joint_teacher(trial, stream, wanted, settings.stop);
    const MemoryTag tag(Category::method_state);
    move_to(*teacher, device);
    return teacher;
  };
  request.progress = settings.progress;
  request.stop = settings.stop;
  request.checkpoint = settings.checkpoint;
  request.checkpoint_seconds = kCheckpointSeconds;
  TrialResult result = train(request);
  Clock clock(result);
  clock.add({"load", loaded.count(), cpu_loaded, 0, 0});
  clock.time("evaluate", [&] { add_random_row(trial, stream, shape, device, result); });
  return result;
}

}  // namespace lethe
