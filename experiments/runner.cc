#include "experiments/runner.h"

#include <chrono>

#include "core/embedding.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/models/models.h"
#include "core/seeds.h"
#include "core/trainer.h"
#include "core/update.h"
#include "experiments/base_format.h"
#include "experiments/deploy.h"
#include "experiments/start_adapter.h"

namespace lethe {
namespace {

/// A stopped trial loses at most so much; shorter ones write nothing.
constexpr double kCheckpointSeconds = 20;

/// Whether the model's starting weights are more than random ones.
bool starts_trained(const Part& model) {
  const auto has = [&](const char* key, const char* untrained) {
    const auto found = model.options.find(key);
    return found != model.options.end() && found->second != untrained;
  };
  return has("pretrain_steps", "0") || has("init", "random");
}

/// Scores of a model that never learned anything, for forward transfer over chance.
void add_random_row(const Trial& trial, const TaskStream& stream, const ModelShape& shape,
                    const at::Device& device, TrialResult& result) {
  const auto training = parse_options<TrainOptions>("train", trial.spec.training);
  std::vector<Evaluation> scores;
  if (!starts_trained(trial.spec.model)) {
    for (const Evaluation& score : result.evaluations) {
      if (score.after_task == 0 && score.on_task > 0) scores.push_back(score);
    }
  } else {
    OptionMap options = without_adapter(trial.model).options;
    if (trial.model.name == "pretrained") options["init"] = "random";
    const auto model = model_entry(trial.model.name)
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

/// The trial's model with its adapter, if it starts from one, and its base in its format.
std::unique_ptr<Model> make_model(const Trial& trial, const ModelShape& shape,
                                  const std::atomic<bool>* stop, std::optional<Learned>& start) {
  const MemoryTag tag(Category::base_weights);
  auto model = starting_model(without_adapter(trial.model), shape, trial.spec.seed, stop);
  start = finish_model(trial, shape, *model);
  return model;
}

StartingPoint start_of(const Trial& trial, const TaskStream& stream, const ModelShape& shape) {
  StartingPoint start{without_adapter(trial.model), shape, trial.spec.seed};
  const auto digest = trial.spec.model.options.find("checkpoint");
  if (digest != trial.spec.model.options.end()) start.model.options.insert(*digest);
  if (trial.stream.tokenizer) start.tokenizer = trial.model.options.at("path");
  start.class_names = stream.class_names;
  return start;
}

}  // namespace

std::optional<Learned> finish_model(const Trial& trial, const ModelShape& shape, Model& model) {
  check_vocabulary(model, shape);
  const std::vector<BaseSeam> seams = base_seams(model);
  std::optional<Learned> start = start_adapter(trial.model, model);
  if (start) put_start_adapter(trial.model, *start, model, true);
  apply_base(seams, base_choice(trial.spec.model.options));
  if (start) put_start_adapter(trial.model, *start, model, false);
  return start;
}

void check_vocabulary(Model& model, const ModelShape& shape) {
  for (Seam* seam : model.seams()) {
    const auto* tokens = dynamic_cast<const Embedding*>(seam);
    if (tokens == nullptr || shape.vocabulary == 0) continue;
    const int64_t rows = tokens->weight().size(0);
    if (rows >= shape.vocabulary) return;  // a model's first embedding is that of its tokens
    fail(
        "the tokenizer has {} tokens, but the model's embedding {} rows; take the tokenizer that "
        "belongs to the model",
        shape.vocabulary, rows);
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
  const ModelShape shape = shape_for(stream, trial.model.name);
  std::optional<Learned> start;
  const std::unique_ptr<Model> model = make_model(trial, shape, settings.stop, start);
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
  if (!settings.keep.empty()) {
    request.keep = [&](const std::set<std::string>& trained) {
      write_learned(settings.keep, learned_since(trial.model, start, *model, trained),
                    metadata_of(start_of(trial, stream, shape)));
    };
  }
  request.progress = settings.progress;
  request.stop = settings.stop;
  request.checkpoint = settings.checkpoint;
  request.checkpoint_seconds = kCheckpointSeconds;
  TrialResult result = train(request);
  result.notes.insert(result.notes.begin(), stream.warnings.begin(), stream.warnings.end());
  Clock clock(result);
  clock.add({"load", loaded.count(), cpu_loaded, 0, 0});
  clock.time("evaluate", [&] { add_random_row(trial, stream, shape, device, result); });
  return result;
}

}  // namespace lethe
