#include "experiments/kept.h"

#include <filesystem>

#include "core/digest.h"
#include "core/error.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;

/// What is on record of a kept file; empty where nothing is.
Artifact on_record(const std::vector<Artifact>& artifacts, const std::string& db,
                   const TrialKey& key) {
  const std::string name = fs::path(kept_path(db, key)).filename().string();
  for (const Artifact& artifact : artifacts) {
    if (fs::path(artifact.path).filename() == name) return artifact;
  }
  return {};
}

std::string command_for(const std::string& db, const TrialRecord& trial) {
  const std::string sweep = trial.sweep == "default" ? "" : trial.sweep + ".toml ";
  return fmt::format("lethe run {}--keep --db {}", sweep, db);
}

}  // namespace

std::string kept_path(const std::string& db, const TrialKey& key) {
  return fmt::format("{}.weights/{}.safetensors", db, trial_digest(key));
}

void make_kept_folder(const std::string& db) {
  const std::string folder = db + ".weights";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    fail("folder {} can't be made: {}; check the place of the store", folder, error.message());
}

Artifact kept_artifact(const std::string& path) {
  const fs::path file(path);
  return {(file.parent_path().filename() / file.filename()).string(), sha256_file(path)};
}

bool has_kept(const ResultStore& store, const std::string& db, const TrialKey& key) {
  return !on_record(store.artifacts(key), db, key).path.empty() && fs::exists(kept_path(db, key));
}

std::string kept_file(const std::string& db, const TrialRecord& trial) {
  if (trial.status != "done") {
    fail("trial {} of {} is {}; only a finished trial has kept values", trial.id, db, trial.status);
  }
  const Artifact artifact = on_record(trial.result.artifacts, db, trial.key);
  const std::string path = kept_path(db, trial.key);
  const std::string command = command_for(db, trial);
  if (artifact.path.empty()) {
    fail("trial {} of {} kept no values; keep them with: {}", trial.id, db, command);
  }
  if (!fs::exists(path)) fail("{} is gone; make it again with: {}", path, command);
  if (sha256_file(path) != artifact.sha256) {
    fail("{} is not what trial {} wrote; delete it and make it again with: {}", path, trial.id,
         command);
  }
  return path;
}

}  // namespace lethe
