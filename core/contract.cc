#include "core/contract.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/contract_case.h"
#include "core/contract_watch.h"
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

/// The same with the models' weights in another format.
Ground on_base(Ground ground, const std::string& base) {
  if (base == "float") return ground;
  ground.name += " on " + base;
  ground.model = [make = ground.model, base](double scale) {
    std::unique_ptr<Model> model = make(scale);
    for (Linear* seam : model->linears()) {
      if (seam->kind() == SeamKind::linear) seam->set_format(base);
    }
    return model;
  };
  return ground;
}

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

/// Where a run is interrupted and what it saves.
struct Pause {
  std::string checkpoint = {};
  int64_t last_task = 0, last_step = 0, every = 0;
};

class Contract {
 public:
  Contract(const StrategyRegistry& registry, std::vector<Part> method, Ground ground)
      : registry_(registry), method_(std::move(method)), ground_(std::move(ground)) {}

  std::vector<std::string> check() {
    try {
      const CheckpointFile whole;
      const Outcome first = run(method_, {whole.path()});
      same(first, run(method_), 0, "two runs of one seed");
      neutral_parts();
      penalty();
      unchanged_logits();
      resumes(first, whole, "after task 1", {"", 1});
      resumes(first, whole, "within task 2", {"", 0, kSteps + 7, 5});
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

  static constexpr int64_t kSteps = 12;  // a task

  Outcome run(const std::vector<Part>& parts, const Pause& pause = {}) {
    const std::unique_ptr<Model> model = ground_.model(1);
    Method method = make_method(registry_, parts);
    for (size_t s = 0; s < parts.size(); ++s) {
      method.strategies[s] =
          std::make_unique<Watched>(parts[s].name, std::move(method.strategies[s]), faults_);
    }
    TrainRequest request{*model, ground_.stream, method, {}, 1, at::kCPU, {}, {}, nullptr, {}, 0};
    request.options.lr = 0.01;
    request.options.steps = kSteps;
    request.options.batch = 16;
    request.options.log_every = 1;
    request.open_teacher = [this](const TeacherRequest& asked) -> std::shared_ptr<Model> {
      return ground_.model(asked.scale);
    };
    request.checkpoint = pause.checkpoint;
    request.last_task = pause.last_task;
    request.last_step = pause.last_step;
    request.checkpoint_steps = pause.every;
    Outcome outcome{train(request), {}};
    for (const Parameter& parameter : model->trainable()) outcome.values.push_back(parameter.value);
    return outcome;
  }

  /// Interrupts a run as `pause` says, continues it, and compares all that it leaves.
  void resumes(const Outcome& first, const CheckpointFile& whole, const std::string& when,
               Pause pause) {
    const CheckpointFile kept;
    pause.checkpoint = kept.path();
    try {
      run(method_, pause);
      faults_.push_back(fmt::format("a run asked to stop {} goes on", when));
    } catch (const Interrupted&) {
    }
    pause.last_task = pause.last_step = 0;
    const Outcome outcome = run(method_, pause);
    const std::string what = fmt::format("a run interrupted {} and an uninterrupted one", when);
    same(first, outcome, 0, what);
    for (const std::string& difference : state_differences(whole.path(), kept.path())) {
      faults_.push_back(fmt::format("{} end with different {}", what, difference));
    }
    for (const std::string& difference : row_differences(first.result, outcome.result)) {
      faults_.push_back(fmt::format("{} yield different {}", what, difference));
    }
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
                                             const std::vector<Part>& method,
                                             const ContractGround& on) {
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
  const Ground pictures = on_base(images(Scenario::class_incremental), on.base);
  const Ground words = on_base(text(), on.base);
  std::vector<Ground> grounds;
  const bool reads = takes(registry, parts, words);
  // A method that takes neither is told what it said to the images.
  if (on.images && (takes(registry, parts, pictures) || !reads)) {
    grounds = {pictures, on_base(images(Scenario::task_incremental), on.base)};
  }
  if (on.text && reads) grounds.push_back(words);
  for (Ground& ground : grounds) {
    for (std::string& fault : Contract(registry, parts, std::move(ground)).check()) {
      faults.push_back(std::move(fault));
    }
  }
  return faults;
}

}  // namespace lethe
