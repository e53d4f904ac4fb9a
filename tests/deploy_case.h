// Small text trials run in this process and stored with what they learned, for the tests of export,
// predict and starting adapters. Include tests/catch.h first.
#pragma once

#include <string>

#include "experiments/export.h"
#include "experiments/kept.h"
#include "experiments/runner.h"
#include "experiments/worker.h"
#include "methods/methods.h"
#include "tests/files.h"

namespace lethe {

inline std::string method_table(const std::string& name, const std::string& more = "") {
  return "[[method]]\nname = \"" + name + "\"\n" + more;
}

inline const std::string kLora = method_table("lora", "rank = 2\n");

/// Built-in tasks on a decoder of one narrow block; `methods` are [[method]] tables.
inline std::string small_sweep(const std::string& methods,
                               const std::string& model = "family = \"llama\"\n") {
  return "[stream]\nname = \"instructions\"\norder = \"sentiment,topic\"\ntrain_rows = 8\n"
         "validation_rows = 2\ntest_rows = 2\n[model]\nname = \"decoder\"\nwidth = 16\n"
         "layers = 1\nheads = 2\nmax_length = 200\npretrain_steps = 0\n" +
         model + "[train]\nsteps = 2\nbatch = 4\nsamples = 0\nlr = 0.05\n" + methods;
}

/// A store "lethe.db" in a folder of its own.
struct DeployCase {
  DeployCase() : db(scratch.path("lethe.db")) { make_kept_folder(db); }

  /// Runs the sweep's trials, which get the next numbers.
  void run(const std::string& sweep, bool keep = true) {
    WorkSettings settings;
    settings.db = db;
    settings.registry = &builtin_methods();
    ResultStore store(db, OpenMode::read_write);
    for (const Trial& trial :
         expand(parse_sweep(sweep, scratch.path("small.toml")), builtin_methods())) {
      const TrialRecord record = record_of(trial, settings);
      const auto id = store.claim(record, "test", 60, 0);
      RunSettings run;
      run.registry = settings.registry;
      if (keep) run.keep = kept_path(db, record.key);
      TrialResult result = run_trial(trial, run);
      if (keep) result.artifacts.push_back(kept_artifact(run.keep));
      store.finish(id.value(), result);
    }
  }

  TrialRecord record(const std::string& trial) const {
    return ResultStore(db, OpenMode::read_only).find(trial);
  }

  ExportArguments to(const std::string& what, const std::string& folder) const {
    ExportArguments arguments;
    arguments.what = what;
    arguments.db = db;
    arguments.to = scratch.path(folder);
    return arguments;
  }

  Scratch scratch;
  std::string db;
};

/// What export_model() says, or throws.
inline std::string said(const ExportArguments& arguments) {
  try {
    return export_model(arguments);
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace lethe
