// The subcommands that run sweeps and look at their store, with their options.
#include <CLI/CLI.hpp>
#include <memory>

#include "experiments/cli.h"
#include "experiments/commands.h"
#include "experiments/merge.h"

namespace lethe {
namespace {

/// What `run` and `tune` have in common.
void add_run_options(CLI::App& command, RunArguments& run) {
  command.add_option("--db", run.db, "Result store")->capture_default_str();
  command
      .add_option("--jobs", run.jobs,
                  "Worker processes, one thread each; 0 = the cores, or 1 on a GPU")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--device", run.device, "cpu, cuda or cuda:INDEX")->capture_default_str();
  command.add_option("--memory", run.memory,
                     "Host memory that one trial's tensors may take, e.g. 8GiB: a trial that needs "
                     "more fails with its account; without it, what the machine has");
  command
      .add_option("--set", run.overrides,
                  "Override, e.g. train.steps=50, seeds=1,2, method.ewc.lambda=3")
      ->allow_extra_args(false);
  command.add_option("--plugin", run.plugins, "Shared object with further methods")
      ->allow_extra_args(false);
  command.add_flag("--dry-run", run.dry_run, "Print the trials and what is done, run nothing");
  command.add_flag("--retry-failed", run.retry_failed, "Also run trials again that failed");
  command.add_flag("--quiet", run.quiet, "Print nothing but errors");
}

}  // namespace

Command add_run(CLI::App& app) {
  const auto run = std::make_shared<RunArguments>();
  auto* command = app.add_subcommand("run", "Run a sweep: every trial that the store lacks");
  command->add_option("sweep", run->sweep, "Sweep file; without one, the built-in default sweep");
  add_run_options(*command, *run);
  command->add_flag("--no-plan", run->no_plan,
                    "Run trials that do not fit by their memory plan, too: see docs/memory.md");
  command->add_flag("--keep", run->keep,
                    "Keep what every trial trained in DB.weights, for export and predict");
  command->footer(
      "Example: lethe run sweeps/split_mnist.toml --db mnist.db --jobs 2 --set seeds=1");
  return {command, [run] { return run_command(*run); }};
}

Command add_tune(CLI::App& app) {
  const auto tune = std::make_shared<TuneArguments>();
  auto* command = app.add_subcommand(
      "tune", "Choose the options under tune.* by search, on validation rows and another seed");
  command->add_option("sweep", tune->run.sweep, "Sweep file")->required();
  command->add_option("--search", tune->request.search, "grid or random; else by [tune], or grid")
      ->check(CLI::IsMember({"grid", "random"}));
  command
      ->add_option("--budget", tune->request.budget,
                   "Candidates of a method at most: random draws so many, a larger grid is refused")
      ->check(CLI::PositiveNumber);
  command->add_option("--objective", tune->request.objective,
                      "Metric to choose by; else by [tune], or final_average");
  command->add_option("--seed", tune->request.seed,
                      "Seed of the search; else by [tune], or the first that is not reported");
  command->add_option("-o,--output", tune->output,
                      "Sweep file to write; without one, NAME.tuned.toml");
  add_run_options(*command, tune->run);
  command->footer("Example: lethe tune sweeps/mine.toml --db mine.db -o mine.tuned.toml");
  return {command, [tune] { return tune_command(*tune); }};
}

Command add_report(CLI::App& app) {
  const auto report = std::make_shared<ReportArguments>();
  auto* command = app.add_subcommand("report", "Make the tables again from the store alone");
  command->add_option("--db", report->db, "Result store")->capture_default_str();
  command->add_option("--format", report->format,
                      "md, html, csv, json or tex; else by the output's ending");
  command->add_option("-o,--output", report->output, "File to write; without one, the terminal");
  command
      ->add_option("--sweep", report->sweeps,
                   "Only the trials of this sweep, under its labels; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--build", report->build,
                      "Build id or its beginning, or all; without it the newest build");
  command
      ->add_option("--reference", report->references,
                   "TOML file with published figures to put beside the results; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--baseline", report->baseline,
                      "TOML file whose [[relation]] entries the report shows with pass or fail");
  command->footer("Example: lethe report --db lethe.db -o out/report.html");
  return {command, [report] { return report_command(*report); }};
}

Command add_check(CLI::App& app) {
  const auto check = std::make_shared<CheckArguments>();
  auto* command = app.add_subcommand("check", "Hold the store's metrics against a baseline file");
  command->add_option("--baseline", check->baseline, "TOML file with [[metric]] and [[relation]]")
      ->required();
  command->add_option("--db", check->db, "Result store")->capture_default_str();
  command->add_option("--sweep", check->sweep, "Only the trials of this sweep");
  command->add_flag("--update", check->update, "Write the measured values into the baseline");
  command->footer("Exit code 1 names every metric that fell and every relation that broke.");
  return {command, [check] { return check_command(*check); }};
}

Command add_list(CLI::App& app) {
  struct Arguments {
    std::string what, format = "text";
    std::vector<std::string> plugins;
  };
  const auto list = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("list", "Tables of what there is");
  command->add_option("what", list->what, "methods, streams, models or metrics")->required();
  command->add_option("--format", list->format, "text or md")->check(CLI::IsMember({"text", "md"}));
  command->add_option("--plugin", list->plugins, "Shared object with further methods")
      ->allow_extra_args(false);
  return {command, [list] { return list_command(list->what, list->format, list->plugins); }};
}

Command add_show(CLI::App& app) {
  struct Arguments {
    std::string trial, db = "lethe.db";
  };
  const auto show = std::make_shared<Arguments>();
  auto* command =
      app.add_subcommand("show", "One stored trial: settings, R matrix, memory, time, samples");
  command->add_option("trial", show->trial, "Number or digest (4 characters or more)")->required();
  command->add_option("--db", show->db, "Result store")->capture_default_str();
  return {command, [show] { return show_command(show->db, show->trial); }};
}

Command add_merge(CLI::App& app) {
  const auto merge = std::make_shared<MergeArguments>();
  auto* command =
      app.add_subcommand("merge", "Add the finished trials of other stores, as of other machines");
  command->add_option("stores", merge->stores, "Stores that have them; they are not changed")
      ->required();
  command->add_option("--db", merge->db, "The store that gets them")->capture_default_str();
  command->footer("Example: lethe merge gpu.db laptop.db --db all.db");
  return {command, [merge] { return merge_command(*merge); }};
}

}  // namespace lethe
