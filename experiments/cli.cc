#include "experiments/cli.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <thread>

#include "analysis/baseline.h"
#include "analysis/reference.h"
#include "analysis/report.h"
#include "core/build_id.h"
#include "core/error.h"
#include "core/plan/request.h"
#include "core/plugin.h"
#include "core/refused_memory.h"
#include "experiments/default_sweep.h"
#include "experiments/device_probe.h"
#include "experiments/preflight.h"
#include "experiments/summary.h"
#include "experiments/trial_checkpoint.h"
#include "experiments/workers.h"
#include "methods/methods.h"
#include "results/store.h"

namespace lethe {
namespace {

/// The store's build that begins with `given`.
std::string known_build(const ResultStore& store, const std::string& db, const std::string& given) {
  std::vector<std::string> found, shown;
  for (const std::string& build : store.builds()) {
    if (build.starts_with(given)) found.push_back(build);
    shown.push_back(build.substr(0, 16));
  }
  if (found.size() == 1) return found[0];
  fail("{} builds of {} begin with '{}'; give one of {}, or all", found.empty() ? "no" : "several",
       db, given, fmt::join(shown, ", "));
}

void require_sweeps(const ResultStore& store, const std::string& db,
                    const std::vector<std::string>& names) {
  const std::vector<std::string> known = store.sweeps();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    fail("{} has no trial of a sweep '{}'; its sweeps are: {}", db, name,
         known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  }
}

/// The trials of these sweeps, one after the other, or of the whole store. A trial that is in two
/// of them has the first one's label.
std::vector<Comparison> stored_comparisons(const std::string& db,
                                           const std::vector<std::string>& sweeps,
                                           const std::string& build) {
  const ResultStore store(db, OpenMode::read_only);
  TrialFilter filter;
  if (!build.empty()) filter.build = build == "all" ? "*" : known_build(store, db, build);
  filter.finished_only = false;
  if (sweeps.empty()) return compare(store.load(filter));
  require_sweeps(store, db, sweeps);
  std::vector<TrialRecord> records;
  std::set<int64_t> seen;
  for (const std::string& sweep : sweeps) {
    filter.sweep = sweep;
    for (TrialRecord& record : store.load(filter)) {
      if (seen.insert(record.id).second) records.push_back(std::move(record));
    }
  }
  return compare(records);
}

/// The cores, or one where trials share a GPU.
int default_jobs(const std::string& device) {
  if (device != "cpu") return 1;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// Holds the comparisons against every file that the command names; returns the words of the first
/// reference with the introductions and notes of the others behind its own.
ReportText hold_all(const ReportArguments& arguments, std::vector<Comparison>& comparisons) {
  ReportText words;
  for (size_t i = 0; i < arguments.references.size(); ++i) {
    const Reference reference = read_reference(arguments.references[i]);
    const std::vector<std::string> not_there = hold_against(reference, comparisons);
    if (i == 0) {
      words = reference.text;
    } else {
      words.introduction += "\n\n" + reference.text.introduction;
      words.notes += "\n\n" + reference.text.notes;
    }
    words.not_there.insert(words.not_there.end(), not_there.begin(), not_there.end());
  }
  if (arguments.baseline.empty()) return words;
  const auto not_there = add_relations(read_baseline(arguments.baseline), comparisons);
  words.not_there.insert(words.not_there.end(), not_there.begin(), not_there.end());
  return words;
}

}  // namespace

StrategyRegistry registry_with(const std::vector<std::string>& plugins) {
  StrategyRegistry registry;
  add_builtin_methods(registry);
  for (const std::string& plugin : plugins) load_plugin(plugin, registry);
  return registry;
}

int dry_run(const std::vector<Trial>& trials, const WorkSettings& settings) {
  std::optional<ResultStore> store;
  if (std::filesystem::exists(settings.db)) store.emplace(settings.db, OpenMode::read_only);
  int64_t done = 0;
  for (const Trial& trial : trials) {
    const char* state = "to run";
    if (store) {
      const TrialState found = store->state(key_of(trial, settings.device_class));
      state = found == TrialState::done      ? "done"
              : found == TrialState::failed  ? "failed"
              : found == TrialState::running ? "running"
                                             : "to run";
      if (found == TrialState::done) ++done;
    }
    fmt::print("{:<8} {} | {} | {} | seed {}\n", state, trial.stream_label, trial.model_label,
               trial.label, trial.spec.seed);
  }
  fmt::print("{} trials, {} done\n", trials.size(), done);
  return 0;
}

WorkSettings work_settings(const RunArguments& arguments, const StrategyRegistry& registry) {
  WorkSettings settings;
  settings.db = arguments.db;
  settings.device = arguments.device;
  const FoundDevice found = find_device(arguments.device);
  settings.device_class = found.device_class;
  settings.device_memory = found.memory;
  settings.jobs = arguments.jobs > 0 ? arguments.jobs : default_jobs(arguments.device);
  settings.quiet = arguments.quiet;
  if (!arguments.memory.empty()) settings.memory = plan::parse_memory(arguments.memory);
  if (arguments.retry_failed) settings.retry_before = seconds_since_1970();
  settings.registry = &registry;
  return settings;
}

void write_text(const std::string& what, const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) {
    fail("{} {} can't be written; check the folder and the space on its disk", what, path);
  }
}

std::string outcome_text(const WorkOutcome& outcome, const std::string& db) {
  const std::string before =
      fmt::format(" ({} of them failed; --retry-failed tries again)", outcome.failed_before);
  return fmt::format("{} trials finished, {} failed, {} were there before{}; store: {}\n",
                     outcome.done, outcome.failed, outcome.skipped,
                     outcome.failed_before > 0 ? before : "", db);
}

int run_command(const RunArguments& arguments) {
  const StrategyRegistry registry = registry_with(arguments.plugins);
  const WorkSettings settings = work_settings(arguments, registry);
  Sweep sweep =
      with_overrides(arguments.sweep.empty() ? parse_sweep(default_sweep(), "default.toml")
                                             : read_sweep(arguments.sweep),
                     arguments.overrides, registry);
  sweep.keep = sweep.keep || arguments.keep;
  const std::vector<Trial> trials = expand(sweep, registry);
  if (arguments.dry_run) return dry_run(trials, settings);
  PreflightRequest before{missing_trials(trials, settings), {}, settings, available_memory()};
  if (!arguments.no_plan) before.planned = trials_to_run(trials, settings);
  preflight(before);
  const WorkOutcome outcome = run_trials(trials, settings);
  tidy_checkpoints(arguments.db);
  if (!arguments.quiet) {
    if (!outcome.interrupted) {
      fmt::print("{}", summary_text(stored_comparisons(arguments.db, {sweep.name}, build_id())));
    }
    fmt::print("{}", outcome_text(outcome, arguments.db));
  }
  if (outcome.interrupted) return 130;
  return outcome.failed + outcome.failed_before > 0 ? 1 : 0;
}

int report_command(const ReportArguments& arguments) {
  auto comparisons = stored_comparisons(arguments.db, arguments.sweeps, arguments.build);
  const ReportText words = hold_all(arguments, comparisons);
  std::string format = arguments.format;
  if (format.empty() && !arguments.output.empty()) {
    const std::string ending = std::filesystem::path(arguments.output).extension().string();
    format = ending.empty() ? "md" : ending.substr(1);
  }
  const std::string text =
      report(format.empty() ? "md" : format, comparisons, metric_docs(), words);
  if (arguments.output.empty()) {
    fmt::print("{}", text);
    return 0;
  }
  const auto folder = std::filesystem::path(arguments.output).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder);
  write_text("report", arguments.output, text);
  return 0;
}

int check_command(const CheckArguments& arguments) {
  Baseline baseline = read_baseline(arguments.baseline);
  std::vector<std::string> sweeps;
  if (!arguments.sweep.empty()) sweeps = {arguments.sweep};
  const auto comparisons = stored_comparisons(arguments.db, sweeps, "");
  if (arguments.update) {
    write_baseline(with_measured(baseline, comparisons), arguments.baseline);
    fmt::print("{} holds the measured values now; review the diff\n", arguments.baseline);
    return 0;
  }
  const auto violations = check_baseline(baseline, comparisons);
  for (const Violation& violation : violations) fmt::print("{}\n", violation.text);
  fmt::print("{} metrics and {} relations checked, {} violations\n", baseline.metrics.size(),
             baseline.relations.size(), violations.size());
  return violations.empty() ? 0 : 1;
}

}  // namespace lethe
