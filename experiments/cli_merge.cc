#include <fmt/core.h>

#include <filesystem>

#include "core/error.h"
#include "experiments/kept.h"
#include "experiments/merge.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr double kLease = 60;  // seconds for recording one copied file

void check_stores(const MergeArguments& arguments) {
  for (const std::string& path : arguments.stores) {
    const ResultStore readable(path, OpenMode::read_only);
    std::error_code not_there;
    if (fs::equivalent(path, arguments.db, not_there)) {
      fail("{} is to be merged into itself; name another store, or another one with --db", path);
    }
  }
}

/// Whole or not at all.
void copy_file(const std::string& from, const std::string& to) {
  const std::string part = to + ".part";
  std::error_code error;
  fs::copy_file(from, part, fs::copy_options::overwrite_existing, error);
  if (!error) fs::rename(part, to, error);
  if (!error) return;
  std::error_code ignored;
  fs::remove(part, ignored);
  fail("{} can't be copied to {}: {}; make room or mend that place and merge again", from, to,
       error.message());
}

/// Copies what trials of `path` kept where `db` has the same trained values without a file; how
/// many files.
int64_t copy_kept(ResultStore& store, const std::string& db, const ResultStore& from,
                  const std::string& path) {
  int64_t copied = 0;
  for (const TrialRecord& trial : from.load({.build = "*"})) {
    if (!has_kept(from, path, trial.key) || has_kept(store, db, trial.key)) continue;
    if (store.state(trial.key) != TrialState::done) continue;
    if (store.find(trial_digest(trial.key)).result.weights_digest != trial.result.weights_digest) {
      continue;
    }
    const std::string source = kept_file(path, trial);
    const auto id = store.claim_finished(trial.key, "merge", kLease);
    if (!id) continue;  // a worker makes the file at this moment
    make_kept_folder(db);
    const std::string target = kept_path(db, trial.key);
    try {
      copy_file(source, target);
    } catch (const Error&) {
      store.drop_claim(*id);
      throw;
    }
    store.add_artifact(*id, kept_artifact(target), trial.result.weights_digest);
    ++copied;
  }
  return copied;
}

std::string trials(int64_t n) { return fmt::format("{} trial{}", n, n == 1 ? "" : "s"); }

}  // namespace

int merge_command(const MergeArguments& arguments) {
  check_stores(arguments);
  ResultStore store(arguments.db, OpenMode::read_write);
  for (const std::string& path : arguments.stores) {
    const ResultStore from(path, OpenMode::read_only);
    const MergeOutcome outcome = store.merge(from);
    const int64_t copied = copy_kept(store, arguments.db, from, path);
    std::string line = fmt::format("{}: {} added, {} there already", path, trials(outcome.added),
                                   outcome.present + outcome.different);
    if (outcome.left_out > 0) line += fmt::format(", {} not finished", outcome.left_out);
    if (copied > 0) line += fmt::format("; {} kept file{} copied", copied, copied == 1 ? "" : "s");
    fmt::print("{}\n", line);
    if (outcome.different == 0) continue;
    fmt::print(stderr,
               "warning: {} of {} came to other trained values than in {}, as on another kind of "
               "processor; those of {} stay\n",
               trials(outcome.different), path, arguments.db, arguments.db);
  }
  return 0;
}

}  // namespace lethe
