// The metrics of cost: memory by category, parameters, seconds.
#include <algorithm>
#include <map>
#include <utility>

#include "analysis/metric_table.h"

namespace lethe {
namespace {

using Number = std::optional<double>;

constexpr const char* kProcessPeak = "process peak RSS";

// The device that holds the tensors: the accelerator where usage has one, else the host.
std::string tensor_device(const TrialResult& result) {
  for (const auto& usage : result.usage) {
    if (usage.device != "host") return usage.device;
  }
  return "host";
}

Number peak_on(const TrialResult& result, const std::string& device) {
  std::map<std::string, int64_t> totals;  // by phase
  for (const auto& usage : result.usage) {
    if (usage.device == device && !stands_beside(usage)) {
      totals[usage.phase] += usage.at_peak;
    }
  }
  if (totals.empty()) return std::nullopt;
  int64_t peak = 0;
  for (const auto& [phase, total] : totals) peak = std::max(peak, total);
  return static_cast<double>(peak);
}

Number peak_memory(const TrialResult& result) { return peak_on(result, tensor_device(result)); }

Number host_memory(const TrialResult& result) {
  if (tensor_device(result) == "host") return std::nullopt;
  return peak_on(result, "host");
}

// The largest peak of a category over phases, summed over devices; nullopt without a memory report.
Number category_peak(const TrialResult& result, const std::string& category) {
  if (result.usage.empty()) return std::nullopt;
  std::map<std::string, int64_t> totals;
  for (const auto& usage : result.usage) {
    if (usage.category == category) totals[usage.phase] += usage.peak;
  }
  int64_t peak = 0;
  for (const auto& [phase, total] : totals) peak = std::max(peak, total);
  return static_cast<double>(peak);
}

Number method_state(const TrialResult& result) { return category_peak(result, "method state"); }

Number optimizer_state(const TrialResult& result) { return category_peak(result, "optimizer"); }

Number process_peak(const TrialResult& result) {
  const Number peak = category_peak(result, kProcessPeak);
  return peak && *peak > 0 ? peak : std::nullopt;
}

Number trainable(const TrialResult& result) {
  return static_cast<double>(result.trainable_parameters);
}

// Sum of a phase's timings; nullopt where the trial had no such phase.
Number sum_of(const TrialResult& result, const std::string& phase, double (*of)(const Timing&)) {
  Number sum;
  for (const auto& timing : result.timing) {
    if (timing.phase == phase) sum = sum.value_or(0) + of(timing);
  }
  return sum;
}

double wall_of(const Timing& timing) { return timing.wall; }
double cpu_of(const Timing& timing) { return timing.cpu; }

Number wall_train(const TrialResult& result) { return sum_of(result, "train", wall_of); }
Number wall_evaluate(const TrialResult& result) { return sum_of(result, "evaluate", wall_of); }
Number wall_importance(const TrialResult& result) { return sum_of(result, "importance", wall_of); }
Number wall_teacher(const TrialResult& result) { return sum_of(result, "teacher", wall_of); }

// Over the phases that every trial goes through itself. Loading and teachers take what the cache of
// this machine leaves to do, and so say nothing about the method.
Number of_own_phases(const TrialResult& result, double (*of)(const Timing&)) {
  Number sum;
  for (const char* phase : {"train", "evaluate", "importance"}) {
    if (const Number part = sum_of(result, phase, of)) sum = sum.value_or(0) + *part;
  }
  return sum;
}

Number wall_seconds(const TrialResult& result) { return of_own_phases(result, wall_of); }
Number cpu_seconds(const TrialResult& result) { return of_own_phases(result, cpu_of); }
Number cpu_train(const TrialResult& result) { return sum_of(result, "train", cpu_of); }

// A rate of nothing counted, or over no time, is not measured.
Number rate(const TrialResult& result, double (*count)(const Timing&)) {
  const Number counted = sum_of(result, "train", count);
  const Number wall = wall_train(result);
  if (!counted || !wall || *counted <= 0 || *wall <= 0) return std::nullopt;
  return *counted / *wall;
}

Number samples_per_second(const TrialResult& result) {
  return rate(result, [](const Timing& timing) { return static_cast<double>(timing.samples); });
}

Number tokens_per_second(const TrialResult& result) {
  return rate(result, [](const Timing& timing) { return static_cast<double>(timing.tokens); });
}

std::vector<CostMetric> memory_metrics() {
  return {
      {{"peak_memory_bytes", "Peak memory", "bytes",
        "the largest total of all allocator categories at one instant, where the tensors are", "",
        false},
       peak_memory},
      {{"host_memory_bytes", "Peak host memory", "bytes",
        "the same for the host, of a trial on an accelerator", "", false},
       host_memory},
      {{"method_state_bytes", "Method state", "bytes",
        "the largest amount that the method itself kept: importances, anchors, buffers", "", false},
       method_state},
      {{"optimizer_bytes", "Optimizer state", "bytes", "the largest amount of moments", "", false},
       optimizer_state},
      {{"process_peak_rss_bytes", "Process peak RSS", "bytes",
        "what the operating system saw at most: code, libraries and mapped weights included", "",
        false},
       process_peak},
      {{"trainable_parameters", "Trainable parameters", "count", "values that training may change",
        "", false},
       trainable},
  };
}

std::vector<CostMetric> time_metrics() {
  return {
      {{"wall_seconds_train", "Training time", "seconds",
        "wall time of the optimizer steps, and of validation for patience", "", false},
       wall_train},
      {{"wall_seconds_evaluate", "Evaluation time", "seconds",
        "wall time of all evaluations and of generating samples", "", false},
       wall_evaluate},
      {{"wall_seconds_importance", "Importance time", "seconds",
        "wall time of the method's work before and after a task: importances, snapshots, adapters",
        "", false},
       wall_importance},
      {{"wall_seconds_teacher", "Teacher time", "seconds",
        "wall time of opening a teacher, or training it where the cache has none; absent without "
        "one",
        "", false},
       wall_teacher},
      {{"wall_seconds", "Wall time", "seconds",
        "wall time of training, evaluation and importances together", "", false},
       wall_seconds},
      {{"cpu_seconds_train", "Training CPU time", "seconds",
        "processor time of the optimizer steps, over all threads", "", false},
       cpu_train},
      {{"cpu_seconds", "CPU time", "seconds",
        "processor time of training, evaluation and importances together, over all threads", "",
        false},
       cpu_seconds},
      {{"samples_per_second", "Samples per second", "1/s", "training rows per second of training",
        "", true},
       samples_per_second},
      {{"tokens_per_second", "Tokens per second", "1/s", "training tokens per second of training",
        "", true},
       tokens_per_second},
  };
}

}  // namespace

bool stands_beside(const Usage& usage) {
  return usage.category.find("process") != std::string::npos ||
         usage.category.find("reserved") != std::string::npos;
}

const std::vector<CostMetric>& cost_metrics() {
  static const std::vector<CostMetric> metrics = [] {
    std::vector<CostMetric> all = memory_metrics();
    for (const CostMetric& metric : time_metrics()) all.push_back(metric);
    return all;
  }();
  return metrics;
}

}  // namespace lethe
