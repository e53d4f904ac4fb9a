// Starting weights and teachers: trained by train() itself, cached by digest.
#include <algorithm>

#include "core/build_id.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/models/models.h"
#include "core/seeds.h"
#include "experiments/cache.h"
#include "experiments/runner.h"
#include "experiments/start_adapter.h"
#include "experiments/streams/instructions.h"
#include "experiments/streams/mixture.h"

namespace lethe {
namespace {

constexpr int64_t kPretrainingSeed = 1;

std::string text_of(const OptionMap& options) {
  std::string text;
  for (const auto& [key, value] : options) text += fmt::format("{} = {}\n", key, value);
  return text;
}

/// One task: plain text, every token predicted.
TaskStream mixture_stream() {
  TaskStream stream;
  stream.name = "pretraining";
  Task task;
  task.name = "mixture";
  task.metric = {"loss", "nats", false};
  task.train = pretraining_rows({}, MixtureSplit::train);
  task.validation = task.test = pretraining_rows({}, MixtureSplit::held_out);
  stream.tasks.push_back(std::move(task));
  return stream;
}

TrainOptions pretraining_options(int64_t steps) {
  TrainOptions options;
  options.lr = 3e-3;
  options.schedule = "cosine";
  options.warmup = 0.05;
  options.batch = 64;
  options.clip = 1;
  options.steps = steps;
  options.samples = 0;
  return options;
}

void pretrain(Model& model, int64_t steps, const std::atomic<bool>* stop) {
  TaskStream stream = mixture_stream();
  Method none;
  TrainRequest request{model, stream, none, pretraining_options(steps), kPretrainingSeed};
  request.stop = stop;
  train(request);
}

/// The union of all tasks' training rows, whatever the task.
class AllRows : public Strategy {
 public:
  void training_plan(const TaskStream&, int64_t, TrainingPlan& plan) override { plan = plan_; }
  TrainingPlan plan_;
};

void train_jointly(Model& model, const TaskStream& stream, const TrainOptions& options,
                   const std::atomic<bool>* stop) {
  // By name: a stream whose seed orders its tasks has one teacher for all orders.
  std::map<std::string, RowsPtr> by_name;
  for (const Task& task : stream.tasks) by_name[task.name] = task.train;
  auto all = std::make_unique<AllRows>();
  for (const auto& [name, rows] : by_name) all->plan_.parts.push_back({rows});
  Method method;
  method.names = {"all rows"};
  method.strategies.push_back(std::move(all));
  TaskStream first = stream;
  std::erase_if(first.tasks, [&](const Task& task) { return task.name != by_name.begin()->first; });
  first.probes.clear();
  TrainRequest request{model, first, method, options, kPretrainingSeed};
  request.stop = stop;
  train(request);
}

}  // namespace

ModelShape shape_for(const TaskStream& stream, const std::string& model) {
  ModelShape shape;
  shape.features = stream.features;
  shape.classes = stream.classes;
  if (stream.features > 0) return shape;
  if (stream.tokenizer && stream.tokenizer != builtin_tokenizer()) {
    shape.vocabulary = stream.tokenizer->vocabulary_size();
    shape.longest = stream.longest;
    return shape;
  }
  shape.vocabulary = builtin_tokenizer()->vocabulary_size();
  if (model == "pretrained") {
    shape.longest = stream.longest;
    return shape;
  }
  const TextRows held_out = make_mixture({}, MixtureSplit::held_out);
  const TextRows train = make_mixture({}, MixtureSplit::train);
  shape.longest = std::max({stream.longest, held_out.longest(), train.longest()});
  return shape;
}

std::unique_ptr<Model> starting_model(const Part& part, const ModelShape& shape, int64_t seed,
                                      const std::atomic<bool>* stop) {
  const auto steps = part.options.find("pretrain_steps");
  const bool pretrained = steps != part.options.end() && steps->second != "0";
  const int64_t init = pretrained ? kPretrainingSeed : seed;
  const ModelEntry& entry = model_entry(part.name);
  auto model = entry.make(part.options, shape, make_generator(seed_for(init, "init")));
  if (!pretrained) return model;
  OptionMap options = part.options;
  for (const char* key : {"base", "block", "skip"}) options.erase(key);
  const std::string what =
      fmt::format("{}\n{}\n{}vocabulary = {}\nlongest = {}\n", build_id(), part.name,
                  text_of(options), shape.vocabulary, shape.longest);
  cached(
      "pretrained", what,
      [&](const std::string& path) {
        pretrain(*model, std::stoll(steps->second), stop);
        save_parameters(*model, path);
      },
      [&](const std::string& path) { load_parameters(*model, path); }, stop);
  return model;
}

namespace {

Part teacher_part(const Trial& trial, const TeacherRequest& request) {
  const Part own = without_adapter(trial.model);
  OptionMap options = widened(own.name, own.options, request.scale);
  for (const auto& [key, value] : request.options) options[key] = value;
  try {
    model_entry(own.name).complete(options);
  } catch (const Error& error) {
    fail("the teacher's model: {}", error.what());
  }
  return {own.name, options};  // with a path, where complete() has its digest
}

std::string teacher_file(const Trial& trial, const TeacherRequest& request) {
  const auto found = trial.files.find(request.file);
  if (found != trial.files.end()) return found->second;
  fail("the teacher's file has the digest {}, which this trial has no file of", request.file);
}

}  // namespace

std::shared_ptr<Model> untrained_teacher(const Trial& trial, const TaskStream& stream,
                                         const TeacherRequest& request) {
  const Part part = teacher_part(trial, request);
  std::shared_ptr<Model> teacher =
      model_entry(part.name).make(part.options, shape_for(stream, part.name),
                                  make_generator(seed_for(kPretrainingSeed, "init")));
  if (!request.file.empty()) load_parameters(*teacher, teacher_file(trial, request));
  teacher->set_trainable(false);
  return teacher;
}

std::shared_ptr<Model> joint_teacher(const Trial& trial, TaskStream& stream,
                                     const TeacherRequest& request, const std::atomic<bool>* stop) {
  const MemoryTag tag(Category::method_state);
  if (!request.file.empty()) return untrained_teacher(trial, stream, request);
  const Part part = teacher_part(trial, request);
  const ModelShape shape = shape_for(stream, part.name);
  std::shared_ptr<Model> teacher = starting_model(part, shape, kPretrainingSeed, stop);
  TrainOptions options = parse_options<TrainOptions>("train", trial.spec.training);
  options.steps = request.steps;
  options.epochs = 0;
  options.samples = 0;
  options.eval_every = 0;
  options.evaluate = "test";  // the same teacher, whatever rows its students are scored on
  TrialSpec spec = trial.spec;
  spec.method.clear();
  spec.model = {part.name, model_entry(part.name).complete(part.options)};
  spec.training = options_text(options);
  if (stream.features == 0) spec.seed = 0;  // built-in rows do not depend on the trial's seed
  const std::string what = fmt::format("{}\n{}", build_id(), canonical_text(spec));
  cached(
      "teacher", what,
      [&](const std::string& path) {
        train_jointly(*teacher, stream, options, stop);
        save_parameters(*teacher, path);
      },
      [&](const std::string& path) { load_parameters(*teacher, path); }, stop);
  teacher->set_trainable(false);
  return teacher;
}

}  // namespace lethe
