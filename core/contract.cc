#include "core/contract.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "core/contract_case.h"
#include "core/error.h"
#include "core/image_rows.h"
#include "core/models/models.h"
#include "core/random.h"
#include "core/seeds.h"
#include "core/train.h"

namespace lethe {
namespace {

/// One thread while it lives: on models this small, threads only wait for each other.
class OneThread {
 public:
  OneThread() { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }

 private:
  int before_ = at::get_num_threads();
};

/// A strategy that answers as `inner` does and notes what its after_task touched.
class Watched : public Strategy {
 public:
  Watched(std::string name, std::unique_ptr<Strategy> inner, std::vector<std::string>& faults)
      : name_(std::move(name)), inner_(std::move(inner)), faults_(faults) {}

  void prepare(Setup& setup) override { inner_->prepare(setup); }
  void adapt(Setup& setup, int64_t task) override { inner_->adapt(setup, task); }
  void training_plan(const TaskStream& stream, int64_t task, TrainingPlan& plan) override {
    inner_->training_plan(stream, task, plan);
  }
  void before_task(const TaskBegin& begin) override { inner_->before_task(begin); }
  Tensor extra_loss(const Step& step) override { return inner_->extra_loss(step); }
  void contribute(Update& update) override { inner_->contribute(update); }
  void after_step(const StepEnd& end) override { inner_->after_step(end); }
  bool reads_step() const override { return inner_->reads_step(); }
  void state(Archive& archive) override { inner_->state(archive); }

  void after_task(const TaskEnd& end) override {
    // Either mode must survive: evaluation, as the trainer leaves it, and training.
    const bool training = end.task % 2 == 0;
    end.model.train(training);
    const Tensor values = end.arena.values().clone(), gradient = end.arena.gradient().clone();
    inner_->after_task(end);
    note(end.task, "values", end.arena.values().equal(values));
    note(end.task, "gradients", end.arena.gradient().equal(gradient) && attached(end));
    note(end.task, "the training mode", end.model.training() == training);
    end.model.train(false);
  }

 private:
  /// Whether every parameter's gradient is still the arena's.
  static bool attached(const TaskEnd& end) {
    return std::all_of(end.arena.ranges().begin(), end.arena.ranges().end(),
                       [&](const auto& range) {
                         const Tensor part = end.arena.slice(end.arena.gradient(), range);
                         return range.parameter.grad().defined() &&
                                range.parameter.grad().data_ptr() == part.data_ptr();
                       });
  }

  void note(int64_t task, const char* what, bool kept) {
    if (!kept)
      faults_.push_back(fmt::format("{}: after_task of task {} changes {}", name_, task, what));
  }

  std::string name_;
  std::unique_ptr<Strategy> inner_;
  std::vector<std::string>& faults_;
};

/// What a contract is tried on.
struct Ground {
  std::string name;
  TaskStream stream;
  std::function<std::unique_ptr<Model>(double scale)> model;
};

Ground images(Scenario scenario) {
  const bool task = scenario == Scenario::task_incremental;
  return {task ? "task-incremental" : "class-incremental", small_stream(scenario), small_model};
}

Ground text() { return {"text", small_text_stream(), small_text_model}; }

/// Whether every part's prepare takes the ground's model: some methods refuse a perceptron.
bool takes(const StrategyRegistry& registry, const std::vector<Part>& method,
           const Ground& ground) {
  const std::unique_ptr<Model> model = ground.model(1);
  Arena arena;
  Setup setup{*model, arena, ground.stream, make_generator(1),
              [&](const TeacherRequest& asked) -> std::shared_ptr<Model> {
                return ground.model(asked.scale);
              }};
  try {
    for (const Part& part : method) registry.at(part.name).make(part.options)->prepare(setup);
  } catch (const Error&) {
    return false;
  }
  return true;
}

struct Outcome {
  TrialResult result;
  std::vector<Tensor> values;  // of the trained parameters
};

class Contract {
 public:
  Contract(const StrategyRegistry& registry, std::vector<Part> method, Ground ground)
      : registry_(registry), method_(std::move(method)), ground_(std::move(ground)) {}

  std::vector<std::string> check() {
    try {
      const Outcome first = run(method_);
      same(first, run(method_), 0, "two runs of one seed");
      neutral_parts();
      penalty();
      unchanged_logits();
      same(first, continued(), 0, "a run interrupted after task 1 and an uninterrupted one");
    } catch (const std::exception& error) {
      faults_.push_back(error.what());
    }
    for (std::string& fault : faults_)
      fault = fmt::format("{} ({}): {}", label(), ground_.name, fault);
    std::sort(faults_.begin(), faults_.end());
    faults_.erase(std::unique(faults_.begin(), faults_.end()), faults_.end());
    return faults_;
  }

 private:
  std::string label() const { return method_label({method_, {}, {}, {}, 1}); }

  Outcome run(const std::vector<Part>& parts, const std::string& checkpoint = {},
              int64_t last_task = 0) {
    const std::unique_ptr<Model> model = ground_.model(1);
    Method method = make_method(registry_, parts);
    for (size_t s = 0; s < parts.size(); ++s) {
      method.strategies[s] =
          std::make_unique<Watched>(parts[s].name, std::move(method.strategies[s]), faults_);
    }
    TrainRequest request{*model, ground_.stream, method, {}, 1, at::kCPU, {}, {}, nullptr, {}, 0};
    request.options.lr = 0.01;
    request.options.steps = 12;
    request.options.batch = 16;
    request.options.log_every = 1;
    request.open_teacher = [this](const TeacherRequest& asked) -> std::shared_ptr<Model> {
      return ground_.model(asked.scale);
    };
    request.checkpoint = checkpoint;
    request.last_task = last_task;
    Outcome outcome{train(request), {}};
    for (const Parameter& parameter : model->trainable()) outcome.values.push_back(parameter.value);
    return outcome;
  }

  Outcome continued() {
    static int count = 0;
    const std::string name = fmt::format("lethe-contract-{}-{}", getpid(), ++count);
    const std::string path = (std::filesystem::temp_directory_path() / name).string();
    try {
      run(method_, path, 1);
      faults_.push_back("a run asked to stop after task 1 goes on");
    } catch (const Interrupted&) {
    }
    Outcome outcome = run(method_, path);
    std::filesystem::remove(path);
    return outcome;
  }

  void same(const Outcome& a, const Outcome& b, double tolerance, const std::string& what) {
    if (a.result.weights_digest == b.result.weights_digest) return;
    double difference = a.values.size() == b.values.size() ? 0 : INFINITY;
    for (size_t i = 0; i < std::min(a.values.size(), b.values.size()); ++i) {
      if (a.values[i].sizes() != b.values[i].sizes()) difference = INFINITY;
      if (!std::isfinite(difference)) break;
      difference = std::max(difference, (a.values[i] - b.values[i]).abs().max().item<double>());
    }
    // Without a tolerance the digests decide: equal values under other names are not the same.
    if (tolerance > 0 && difference <= tolerance) return;
    faults_.push_back(fmt::format("{} end with different weights; the largest difference is {}",
                                  what, difference));
  }

  void neutral_parts() {
    for (size_t s = 0; s < method_.size(); ++s) {
      const StrategyEntry& entry = registry_.at(method_[s].name);
      if (!entry.neutral.exists) continue;
      std::vector<Part> neutral = method_, without = method_;
      for (const auto& [key, value] : entry.neutral.options) neutral[s].options[key] = value;
      without.erase(without.begin() + static_cast<int64_t>(s));
      const std::string rest = method_label({without, {}, {}, {}, 1});
      same(run(neutral), run(without), entry.neutral.tolerance,
           fmt::format("{} at its neutral setting and {}", entry.name, rest));
    }
  }

  /// Of the regularisers alone: extra losses are reported with the penalty.
  void penalty() {
    std::vector<Part> parts;
    bool any = false;
    for (const Part& part : method_) {
      const Role role = registry_.at(part.name).role;
      any = any || role == Role::regulariser;
      if (role != Role::distillation && role != Role::data) parts.push_back(part);
    }
    if (!any) return;
    double largest = 0;
    for (const CurvePoint& point : run(parts).result.curve) {
      if (point.task == 1 && point.penalty != 0) {
        return faults_.push_back(fmt::format("the penalty of task 1 is {} at step {}, expected 0",
                                             point.penalty, point.step));
      }
      if (point.task == 2) largest = std::max(largest, point.penalty);
    }
    if (!(largest > 0)) {
      faults_.push_back(
          fmt::format("the penalty of task 2 is at most {}, expected above 0", largest));
    }
  }

  void unchanged_logits() {
    for (const Part& part : method_) {
      if (registry_.at(part.name).role != Role::adapter) continue;
      const at::NoGradGuard no_grad;
      const std::unique_ptr<Model> model = ground_.model(1);
      const Batch batch = ground_.stream.tasks[0].train->batch({0, 1, 2, 3});
      const Tensor before = model->forward(batch);
      Arena arena;
      Setup setup{*model, arena, ground_.stream, make_generator(1), {}};
      const auto strategy = registry_.at(part.name).make(part.options);
      strategy->prepare(setup);
      const Tensor after = model->forward(batch);
      if (before.equal(after)) continue;
      faults_.push_back(fmt::format("{}: prepare changes the logits by up to {}", part.name,
                                    (after - before).abs().max().item<double>()));
    }
  }

  const StrategyRegistry& registry_;
  std::vector<Part> method_;
  Ground ground_;
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<std::string> contract_violations(const StrategyRegistry& registry,
                                             const std::vector<Part>& method) {
  const OneThread one_thread;
  std::vector<Part> parts = method;
  std::vector<std::string> faults;
  for (Part& part : parts) {
    const StrategyEntry& entry = registry.at(part.name);
    part.options = entry.complete(part.options);
    if (entry.complete(part.options) != part.options) {
      faults.push_back(fmt::format("{}: completing complete options changes them", part.name));
    }
  }
  std::vector<Ground> grounds = {images(Scenario::class_incremental),
                                 images(Scenario::task_incremental)};
  // A method that takes neither is told what it said to the images.
  if (!takes(registry, parts, grounds[0]) && takes(registry, parts, text())) grounds = {text()};
  for (Ground& ground : grounds) {
    for (std::string& fault : Contract(registry, parts, std::move(ground)).check()) {
      faults.push_back(std::move(fault));
    }
  }
  return faults;
}

}  // namespace lethe
