#include "experiments/preflight.h"

#include <set>

#include "core/error.h"
#include "core/levers.h"
#include "core/seeds.h"
#include "experiments/child_process.h"
#include "experiments/device_probe.h"
#include "experiments/memory_check.h"
#include "experiments/runner.h"
#include "experiments/start_adapter.h"

namespace lethe {
namespace {

/// Training options that decide whether a trial can begin.
bool is_looked_at(const std::string& option) {
  static const std::set<std::string> names = {"pack",     "levers", "optimizer",
                                              "momentum", "clip",   "accumulate"};
  return names.count(option) > 0;
}

class Beginnings {
 public:
  Beginnings(const WorkSettings& settings, Grounds& grounds)
      : registry_(*settings.registry), cpu_(settings.device_class == "cpu"), grounds_(grounds) {}

  /// A line for every trial that can't begin.
  std::string faults(const std::vector<Trial>& trials) {
    std::string lines;
    for (const Trial& trial : trials) {
      if (!seen_.insert(seedless_text(trial, is_looked_at)).second) continue;
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

  void look_at(const Trial& trial) {
    Ground& ground = grounds_.of(trial);
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
    check_levers_on(levers_of(request.options), cpu_);
    check_trial(request);
  }

  const StrategyRegistry& registry_;
  bool cpu_;
  Grounds& grounds_;
  std::set<std::string> seen_;
};

}  // namespace

void preflight(const PreflightRequest& request) {
  if (request.begins.empty() && request.planned.empty()) return;
  const ChildEnd end = in_child([&] {
    hide_gpus();
    at::set_num_threads(1);
    Grounds grounds;
    const std::string large =
        memory_faults(request.planned, request.settings, request.machine, grounds);
    if (!large.empty()) return large;
    return Beginnings(request.settings, grounds).faults(request.begins);
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
