// The `lethe` program's subcommands. Each returns its exit code: 0 done, 1 failed trials or a
// broken baseline, 2 wrong usage.
#pragma once

#include <string>
#include <vector>

#include "core/registry.h"
#include "experiments/tune.h"
#include "experiments/workers.h"

namespace lethe {

struct RunArguments {
  std::string sweep, db = "lethe.db", device = "cpu";
  int jobs = 0;  ///< 0 = the cores, or 1 on a GPU
  std::vector<std::string> overrides, plugins;
  std::string memory;  ///< "8GiB", of one trial; empty = as much as there is
  bool dry_run = false, retry_failed = false, quiet = false, keep = false;
  bool no_plan = false;  ///< run what does not fit by its memory plan, too
};

struct TuneArguments {
  RunArguments run;
  TuneRequest request;
  std::string output;  ///< empty = NAME.tuned.toml in the working folder
};

struct ReportArguments {
  std::string db = "lethe.db", format, output, build;
  std::vector<std::string> sweeps;      ///< empty = all
  std::vector<std::string> references;  ///< files to hold the results against
  std::string baseline;                 ///< one whose relations are shown; empty = none
};

struct CheckArguments {
  std::string db = "lethe.db", baseline, sweep;
  bool update = false;
};

int run_command(const RunArguments& arguments);
int tune_command(const TuneArguments& arguments);
int report_command(const ReportArguments& arguments);
int check_command(const CheckArguments& arguments);
int show_command(const std::string& db, const std::string& trial);
int list_command(const std::string& what, const std::string& format,
                 const std::vector<std::string>& plugins);

/// Prints the trials and what is done.
int dry_run(const std::vector<Trial>& trials, const WorkSettings& settings);
/// How the trials of `arguments` run; `registry` has to outlive it.
WorkSettings work_settings(const RunArguments& arguments, const StrategyRegistry& registry);
/// "2 trials finished, 0 failed, ..."
std::string outcome_text(const WorkOutcome& outcome, const std::string& db);

/// Throws Error, naming `what` the file is, where it can't be written whole.
void write_text(const std::string& what, const std::string& path, const std::string& text);

/// The built-in methods and those of the plugins.
StrategyRegistry registry_with(const std::vector<std::string>& plugins);

/// The table of `lethe list`: "methods", "streams", "models" or "metrics" as plain text or
/// Markdown.
std::string list_text(const std::string& what, bool markdown, const StrategyRegistry& registry);

}  // namespace lethe
