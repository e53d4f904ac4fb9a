#include "experiments/memory_check.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/plan/method.h"
#include "core/train.h"
#include "experiments/plan.h"
#include "experiments/plan_advice.h"
#include "experiments/trial_plan.h"

namespace lethe {
namespace {

bool too_large(int64_t bytes, int64_t limit) {
  return static_cast<double>(bytes) > (1 + kPlanAbove) * static_cast<double>(limit);
}

class MemoryCheck {
 public:
  MemoryCheck(const WorkSettings& settings, int64_t machine, Grounds& grounds)
      : settings_(settings),
        gpu_(settings.device_class != "cpu"),
        machine_(gpu_ ? settings.device_memory : machine),
        grounds_(grounds) {}

  /// What is too large; empty where nothing is.
  std::string faults(const std::vector<Trial>& trials) {
    std::string lines;
    std::vector<const PlannedTrial*> planned;
    for (const Trial& trial : trials) {
      const auto [found, fresh] =
          plans_.try_emplace(seedless_text(trial, [](const std::string&) { return true; }));
      if (fresh) found->second = plan_of(trial);
      if (!found->second) continue;
      planned.push_back(&*found->second);
      if (const auto limit = fresh ? limit_of(*found->second) : std::nullopt) {
        lines += "\n" + advice_text(*found->second, *limit, *settings_.registry);
      }
    }
    if (lines.empty()) return together(std::move(planned));
    return "by their memory plans trials of this sweep do not fit; nothing was loaded or stored, "
           "and --no-plan runs them all the same:" +
           lines;
  }

 private:
  /// The limit that a trial's plan is above, if any.
  std::optional<MemoryLimit> limit_of(const PlannedTrial& planned) const {
    // --memory is of the host, and a GPU's trial has little there.
    if (!gpu_ && settings_.memory > 0 && too_large(planned.peak, settings_.memory)) {
      return MemoryLimit{settings_.memory, false};
    }
    if (too_large(planned.own, machine_)) return MemoryLimit{machine_, true, gpu_};
    return std::nullopt;
  }

  /// nullopt where there is none. What is wrong with a trial is for the preflight to say.
  std::optional<PlannedTrial> plan_of(const Trial& trial) {
    try {
      auto request = plan_request(trial);
      if (!request) return std::nullopt;
      PlannedTrial made{&trial, read_model_facts(trial.model.options.at("path")), {}, 0, 0};
      plan::method_plan(made.facts, *request);
      take_stream(grounds_.of(trial).stream, *request);
      for (const LargestBatch& batch : batches_of(trial)) {
        plan::PlanRequest one = with_batch(*request, batch);
        one.mapped = one.mapped && !gpu_;
        const int64_t own = plan::account(made.facts, one).peak();
        if (own <= made.own) continue;
        made.request = one;
        made.own = own;
        one.mapped = false;
        made.peak = plan::account(made.facts, one).peak();
      }
      return made;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

  /// The trial's, which others of the same stream and batch share.
  const std::vector<LargestBatch>& batches_of(const Trial& trial) {
    const bool mixed = mixes_tasks(trial);
    const auto training = parse_options<TrainOptions>("train", trial.spec.training);
    TrialSpec spec;
    spec.stream = trial.spec.stream;
    spec.model.options["rows"] =
        fmt::format("{} {} {} {}", static_cast<int>(trial.stream.rows.form),
                    trial.stream.rows.start_id, training.batch, mixed);
    const auto [found, fresh] = batches_.try_emplace(canonical_text(spec));
    if (fresh) {
      found->second = largest_batches(grounds_.of(trial).stream, training.batch, mixed);
    }
    return found->second;
  }

  /// What is too much of trials that fit one by one.
  std::string together(std::vector<const PlannedTrial*> planned) const {
    const size_t at_once = std::min(static_cast<size_t>(settings_.jobs), planned.size());
    std::stable_sort(planned.begin(), planned.end(),
                     [](const auto* a, const auto* b) { return a->own > b->own; });
    int64_t sum = 0, fit = 0;
    for (size_t i = 0; i < at_once; ++i) {
      sum += planned[i]->own;
      if (!too_large(sum, machine_)) ++fit;
    }
    if (!too_large(sum, machine_)) return {};
    return fmt::format(
        "by their memory plans the {} largest trials of this sweep take {} MiB together, and the "
        "{} has {} MiB available; the largest is {}, {} MiB; nothing was loaded or stored. "
        "Set --jobs {}, or --no-plan to run them all the same",
        at_once, mib(sum), gpu_ ? "GPU" : "machine", mib(machine_), name_of(*planned[0]->trial),
        mib(planned[0]->own), fit);
  }

  const WorkSettings& settings_;
  bool gpu_;
  int64_t machine_;  // bytes where the trials' tensors lie
  Grounds& grounds_;
  std::map<std::string, std::optional<PlannedTrial>> plans_;
  std::map<std::string, std::vector<LargestBatch>> batches_;
};

}  // namespace

std::string memory_faults(const std::vector<Trial>& trials, const WorkSettings& settings,
                          int64_t machine, Grounds& grounds) {
  const bool any = std::any_of(trials.begin(), trials.end(), [](const Trial& trial) {
    return trial.model.name == "pretrained" && stream_entry(trial.stream.name).text;
  });
  const bool known = settings.device_class == "cpu" || settings.device_memory > 0;
  if (!any || !known) return {};
  return MemoryCheck(settings, machine, grounds).faults(trials);
}

}  // namespace lethe
