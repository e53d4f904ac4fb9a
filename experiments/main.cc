#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/build_id.h"
#include "core/error.h"
#include "experiments/cli.h"

namespace {

/// What `run` and `tune` have in common.
void add_run_options(CLI::App& command, lethe::RunArguments& run) {
  command.add_option("--db", run.db, "Result store")->capture_default_str();
  command
      .add_option("--jobs", run.jobs,
                  "Worker processes, one thread each; 0 = the cores, or 1 on a GPU")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--device", run.device, "cpu, cuda or cuda:INDEX")->capture_default_str();
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

void add_run(CLI::App& app, lethe::RunArguments& run) {
  auto* command = app.add_subcommand("run", "Run a sweep: every trial that the store lacks");
  command->add_option("sweep", run.sweep, "Sweep file; without one, the built-in default sweep");
  add_run_options(*command, run);
  command->footer(
      "Example: lethe run sweeps/split_mnist.toml --db mnist.db --jobs 2 --set seeds=1");
}

void add_tune(CLI::App& app, lethe::TuneArguments& tune) {
  auto* command = app.add_subcommand(
      "tune", "Choose the options under tune.* by search, on validation rows and another seed");
  command->add_option("sweep", tune.run.sweep, "Sweep file")->required();
  command->add_option("--search", tune.request.search, "grid or random; else by [tune], or grid")
      ->check(CLI::IsMember({"grid", "random"}));
  command
      ->add_option("--budget", tune.request.budget,
                   "Candidates of a method at most: random draws so many, a larger grid is refused")
      ->check(CLI::PositiveNumber);
  command->add_option("--objective", tune.request.objective,
                      "Metric to choose by; else by [tune], or final_average");
  command->add_option("--seed", tune.request.seed,
                      "Seed of the search; else by [tune], or the first that is not reported");
  command->add_option("-o,--output", tune.output,
                      "Sweep file to write; without one, NAME.tuned.toml");
  add_run_options(*command, tune.run);
  command->footer("Example: lethe tune sweeps/mine.toml --db mine.db -o mine.tuned.toml");
}

void add_report(CLI::App& app, lethe::ReportArguments& report) {
  auto* command = app.add_subcommand("report", "Make the tables again from the store alone");
  command->add_option("--db", report.db, "Result store")->capture_default_str();
  command->add_option("--format", report.format,
                      "md, html, csv, json or tex; else by the output's ending");
  command->add_option("-o,--output", report.output, "File to write; without one, the terminal");
  command->add_option("--sweep", report.sweep, "Only the trials of this sweep");
  command->add_option("--build", report.build, "Build id, or all; without it the newest build");
  command
      ->add_option("--reference", report.references,
                   "TOML file with published figures to put beside the results; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--baseline", report.baseline,
                      "TOML file whose [[relation]] entries the report shows with pass or fail");
  command->footer("Example: lethe report --db lethe.db -o out/report.html");
}

void add_check(CLI::App& app, lethe::CheckArguments& check) {
  auto* command = app.add_subcommand("check", "Hold the store's metrics against a baseline file");
  command->add_option("--baseline", check.baseline, "TOML file with [[metric]] and [[relation]]")
      ->required();
  command->add_option("--db", check.db, "Result store")->capture_default_str();
  command->add_option("--sweep", check.sweep, "Only the trials of this sweep");
  command->add_flag("--update", check.update, "Write the measured values into the baseline");
  command->footer("Exit code 1 names every metric that fell and every relation that broke.");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Lethe: what a model forgets while it learns");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("lethe build ") + lethe::build_id() +
                                        "\nlibtorch " + lethe::libtorch_version() + "\n" +
                                        lethe::compiler_version());
  lethe::RunArguments run;
  lethe::TuneArguments tune;
  lethe::ReportArguments report;
  lethe::CheckArguments check;
  add_run(app, run);
  add_tune(app, tune);
  add_report(app, report);
  add_check(app, check);
  std::string what, list_format = "text", trial, show_db = "lethe.db";
  std::vector<std::string> plugins;
  auto* list = app.add_subcommand("list", "Tables of what there is");
  list->add_option("what", what, "methods, streams, models or metrics")->required();
  list->add_option("--format", list_format, "text or md")->check(CLI::IsMember({"text", "md"}));
  list->add_option("--plugin", plugins, "Shared object with further methods")
      ->allow_extra_args(false);
  auto* show =
      app.add_subcommand("show", "One stored trial: settings, R matrix, memory, time, samples");
  show->add_option("trial", trial, "Number or digest (4 characters or more)")->required();
  show->add_option("--db", show_db, "Result store")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto command = [&] {
    if (app.got_subcommand("run")) return lethe::run_command(run);
    if (app.got_subcommand("tune")) return lethe::tune_command(tune);
    if (app.got_subcommand("report")) return lethe::report_command(report);
    if (app.got_subcommand("check")) return lethe::check_command(check);
    if (app.got_subcommand(list)) return lethe::list_command(what, list_format, plugins);
    return lethe::show_command(show_db, trial);
  };
  try {
    const int code = command();
    if (std::fflush(stdout) != 0) {
      lethe::fail("the standard output can't be written: {}; check the space on its disk",
                  std::strerror(errno));
    }
    return code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());  // which never throws
    return 2;
  }
}
