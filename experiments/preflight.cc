#include "experiments/preflight.h"

#include <map>
#include <set>

#include "core/error.h"
#include "core/seeds.h"
#include "experiments/child_process.h"
#include "experiments/device_probe.h"
#include "experiments/runner.h"
#include "experiments/start_adapter.h"

namespace lethe {
namespace {

struct Ground {
  TaskStream stream;
  ModelShape shape;
};

/// What makes two trials one to look at.
std::string form_of(const Trial& trial) {
  TrialSpec spec = trial.spec;
  spec.seed = 0;
  const std::set<std::string> seen = {"pack", "levers", "optimizer", "clip", "accumulate"};
  std::erase_if(spec.training, [&](const auto& option) { return seen.count(option.first) == 0; });
  return canonical_text(spec);
}

class Preflight {
 public:
  explicit Preflight(const StrategyRegistry& registry) : registry_(registry) {}

  /// A line for every trial that can't begin.
  std::string faults(const std::vector<Trial>& trials) {
    std::string lines;
    for (const Trial& trial : trials) {
      if (!seen_.insert(form_of(trial)).second) continue;
      const std::string fault = fault_of(trial);
      if (fault.empty()) continue;
      lines += fmt::format("{}method '{}' can't run on stream '{}' with model '{}': {}",
                           lines.empty() ? "" : "\n", trial.label, trial.stream_label,
                           trial.model_label, fault);
    }
    return lines;
  }

 private:
  std::string fault_of(const Trial& trial) {
    try {
      look_at(trial);
    } catch (const c10::Error& error) {
      return std::string("libtorch: ") + error.what_without_backtrace();
    } catch (const std::exception& error) {
      return error.what();
    }
    return {};
  }

  Ground& ground_of(const Trial& trial) {
    TrialSpec spec;
    spec.stream = trial.spec.stream;
    spec.model.name = trial.model.name;
    spec.model.options["rows"] =
        fmt::format("{} {}", static_cast<int>(trial.stream.rows.form), trial.stream.rows.start_id);
    const std::string text = canonical_text(spec);
    const auto known = grounds_.find(text);
    if (known != grounds_.end()) return known->second;
    TaskStream stream = stream_entry(trial.stream.name).make(trial.stream, trial.spec.seed);
    const ModelShape shape = shape_for(stream, trial.model.name);
    grounds_.clear();  // trials of one stream stand together
    return grounds_.emplace(text, Ground{std::move(stream), shape}).first->second;
  }

  void look_at(const Trial& trial) {
    Ground& ground = ground_of(trial);
    const Part part = without_adapter(trial.model);
    const auto model = model_entry(part.name).make(
        part.options, ground.shape, make_generator(seed_for(trial.spec.seed, "init")));
    finish_model(trial, ground.shape, *model);
    Method method = make_method(registry_, trial.spec.method);
    TrainRequest request{*model,          ground.stream,
                         method,          parse_options<TrainOptions>("train", trial.spec.training),
                         trial.spec.seed, at::Device(at::kCPU)};
    request.open_teacher = [&](const TeacherRequest& wanted) {
      return untrained_teacher(trial, ground.stream, wanted);
    };
    check_trial(request);
  }

  const StrategyRegistry& registry_;
  std::set<std::string> seen_;
  std::map<std::string, Ground> grounds_;  // at most one: images are large
};

}  // namespace

void preflight(const std::vector<Trial>& trials, const StrategyRegistry& registry) {
  if (trials.empty()) return;
  const ChildEnd end = in_child([&] {
    hide_gpus();
    at::set_num_threads(1);
    return Preflight(registry).faults(trials);
  });
  if (end.how == ChildEnd::How::threw) throw Error(end.text);
  if (end.how == ChildEnd::How::died) {
    fail(
        "the process that looked at the sweep before its trials died; most often that means out of "
        "memory");
  }
  if (!end.text.empty()) throw Error(end.text);
}

}  // namespace lethe
