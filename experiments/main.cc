#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "core/build_id.h"
#include "core/error.h"
#include "experiments/cli.h"
#include "experiments/cli_tokenizer.h"
#include "experiments/export.h"
#include "experiments/inspect.h"
#include "experiments/predict.h"

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
  command->add_flag("--keep", run.keep,
                    "Keep what every trial trained in DB.weights, for export and predict");
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

/// The exit code of a command, once all that it printed is out; an error is printed.
int outcome_of(const std::function<int()>& command) {
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
  void add_list(CLI::App & app, std::string & what, std::string & format,
                std::vector<std::string> & plugins) {
    auto* list = app.add_subcommand("list", "Tables of what there is");
    list->add_option("what", what, "methods, streams, models or metrics")->required();
    list->add_option("--format", format, "text or md")->check(CLI::IsMember({"text", "md"}));
    list->add_option("--plugin", plugins, "Shared object with further methods")
        ->allow_extra_args(false);
  }

  void add_inspect(CLI::App & app, std::string & folder) {
    auto* command = app.add_subcommand(
        "inspect", "A Hugging Face folder: architecture, parameters, what would be adapted");
    command->add_option("folder", folder, "Folder with config.json")->required();
  }

  void add_export(CLI::App & app, lethe::ExportArguments & exported) {
    auto* command = app.add_subcommand(
        "export",
        "Write what a trial learned as a peft adapter, or merged as a Hugging Face folder");
    command
        ->add_option("trial", exported.what,
                     "Number or digest of a trial that was run with --keep, or an adapter's folder")
        ->required();
    command->add_option("--to", exported.to, "New folder")->required();
    command->add_option("--db", exported.db, "Result store")->capture_default_str();
    command->add_flag("--merge", exported.merge,
                      "The whole model, adapters merged into its weights");
    command->add_option("--base", exported.base, "What is merged into; without it, as in training")
        ->check(CLI::IsMember({"float", "dequantised", "requantised"}));
    command->add_option("--rows", exported.rows,
                        "JSON Lines with prompts to measure on; without it, drawn token ids");
    command->add_option("--logits", exported.logits,
                        "File for those rows' ids and the trained model's logits (safetensors)");
    command->footer("Example: lethe export 3 --to merged --merge");
  }

  void add_predict(CLI::App & app, lethe::PredictArguments & predict) {
    auto* command =
        app.add_subcommand("predict", "Continue prompts with a trained or loaded model");
    command
        ->add_option("model", predict.what,
                     "Trial that was run with --keep, Hugging Face folder, or adapter's folder")
        ->required();
    command->add_option("--db", predict.db, "Result store")->capture_default_str();
    command->add_option("--prompt", predict.prompts, "Text to continue; may be given several times")
        ->allow_extra_args(false);
    command->add_option("--input", predict.input, "JSON Lines with prompts; - = standard input");
    command->add_option("-o,--output", predict.output, "File to write; without one, the terminal");
    command->add_option("--field", predict.field, "Where a record has its prompt")
        ->capture_default_str();
    command->add_option("--adapter", predict.adapter, "Folder of a peft adapter to put on");
    command->add_option("--max-new", predict.longest, "New tokens a prompt")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--batch", predict.batch, "Prompts at once")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--temperature", predict.temperature, "0 = greedy, above it sampled")
        ->check(CLI::NonNegativeNumber);
    command->add_option("--top-k", predict.top_k, "Sample among the k likeliest; 0 = all");
    command->add_option("--top-p", predict.top_p, "Sample among the fewest of this probability");
    command->add_option("--seed", predict.seed, "Of sampling")->capture_default_str();
    command->add_option("--stop", predict.stops, "Text that ends a row; may be given several times")
        ->allow_extra_args(false);
    command->footer("Example: lethe predict 3 --input rows.jsonl -o out.jsonl");
  }

  /// Runs a command; 2 for what it throws and for output that can't be written.
  int exit_code(const std::function<int()>& command) {
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
  lethe::TokenizerArguments tokenizer;
  add_run(app, run);
  add_tune(app, tune);
  add_report(app, report);
  add_check(app, check);
  lethe::add_tokenizer(app, tokenizer);
  std::string what, list_format = "text", trial, show_db = "lethe.db";
  std::string what, list_format = "text", trial, show_db = "lethe.db", folder;
  std::vector<std::string> plugins;
  add_list(app, what, list_format, plugins);
  auto* show =
      app.add_subcommand("show", "One stored trial: settings, R matrix, memory, time, samples");
  show->add_option("trial", trial, "Number or digest (4 characters or more)")->required();
  show->add_option("--db", show_db, "Result store")->capture_default_str();
  add_inspect(app, folder);
  lethe::ExportArguments exported;
  lethe::PredictArguments predict;
  add_export(app, exported);
  add_predict(app, predict);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code([&] {
    if (app.got_subcommand("run")) return lethe::run_command(run);
    if (app.got_subcommand("tune")) return lethe::tune_command(tune);
    if (app.got_subcommand("report")) return lethe::report_command(report);
    if (app.got_subcommand("check")) return lethe::check_command(check);
    if (app.got_subcommand("tokenizer")) return lethe::tokenizer_command(tokenizer);
    if (app.got_subcommand(list)) return lethe::list_command(what, list_format, plugins);
    if (app.got_subcommand("inspect")) return lethe::inspect_command(folder);
    if (app.got_subcommand("list")) return lethe::list_command(what, list_format, plugins);
    return lethe::show_command(show_db, trial);
  };
  return outcome_of(command);
    if (app.got_subcommand("export")) return lethe::export_command(exported);
    if (app.got_subcommand("predict")) return lethe::predict_command(predict);
    if (app.got_subcommand("inspect")) return lethe::inspect_command(folder);
    if (app.got_subcommand("list")) return lethe::list_command(what, list_format, plugins);
    return lethe::show_command(show_db, trial);
});
}  // namespace
