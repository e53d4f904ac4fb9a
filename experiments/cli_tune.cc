// `lethe tune`: the search, its table, and the sweep that it writes.
#include <filesystem>

#include "core/build_id.h"
#include "core/error.h"
#include "experiments/cli.h"
#include "experiments/trial_checkpoint.h"
#include "results/store.h"

namespace lethe {
namespace {

/// The file to write, in a folder that exists. Asked before the search, which takes long.
std::string output_of(const TuneArguments& arguments, const Sweep& sweep) {
  namespace fs = std::filesystem;
  const std::string path = arguments.output.empty() ? sweep.name + ".tuned.toml" : arguments.output;
  if (fs::exists(path) && fs::equivalent(path, sweep.path)) {
    fail("{} is the sweep itself; write the tuned one to another file with -o", path);
  }
  if (fs::is_directory(path)) fail("{} is a folder; give a file with -o", path);
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty()) fs::create_directories(folder);
  return path;
}

std::vector<TrialRecord> stored(const TunePlan& plan, const WorkSettings& settings) {
  TrialFilter filter;
  filter.build = build_id();
  filter.device_class = settings.device_class;
  filter.sweep = plan.trials.at(0).trial.sweep;
  filter.finished_only = false;
  return ResultStore(settings.db, OpenMode::read_only).load(filter);
}

/// The table of every choice; false where one has no candidate with a score.
bool print_choices(const std::vector<Choice>& choices, const TunePlan& plan, bool quiet) {
  bool all = true;
  for (const Choice& choice : choices) {
    if (!quiet) fmt::print("\n{}\n", fmt::join(lines_of(choice, plan.settings), "\n"));
    if (choice.best) continue;
    all = false;
    fmt::print(stderr, "error: {}: none of {} candidates has a {}; the first: {}\n", choice.label,
               choice.tried.size(), plan.settings.objective, choice.tried.at(0).why);
  }
  return all;
}

}  // namespace

int tune_command(const TuneArguments& arguments) {
  const StrategyRegistry registry = registry_with(arguments.run.plugins);
  const WorkSettings settings = work_settings(arguments.run, registry);
  const Sweep sweep =
      with_overrides(read_sweep(arguments.run.sweep), arguments.run.overrides, registry);
  const TunePlan plan = plan_tuning(sweep, arguments.request, registry);
  std::vector<Trial> trials;
  for (const TuneTrial& one : plan.trials) trials.push_back(one.trial);
  if (arguments.run.dry_run) return dry_run(trials, settings);
  const std::string output = output_of(arguments, sweep);
  for (const std::string& note : plan.notes) {
    if (!settings.quiet) fmt::print(stderr, "note: {}\n", note);
  }
  const WorkOutcome outcome = run_trials(trials, settings);
  tidy_checkpoints(settings.db);
  if (outcome.interrupted) return 130;
  const auto choices = choices_of(plan, stored(plan, settings));
  const bool all = print_choices(choices, plan, settings.quiet);
  if (!all) {
    fmt::print(stderr, "error: no tuned sweep is written; see the trials with `lethe show`\n");
    return 1;
  }
  write_text("tuned sweep", output,
             tuned_sweep(plan, choices, std::filesystem::path(output).parent_path().string()));
  if (!settings.quiet) {
    fmt::print("\n{}tuned sweep: {}\n", outcome_text(outcome, settings.db), output);
  }
  return 0;
}

}  // namespace lethe
