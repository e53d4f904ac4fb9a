#include "experiments/trial_checkpoint.h"

#include <filesystem>

#include "core/digest.h"
#include "core/error.h"

namespace lethe {
namespace {

std::string folder_of(const std::string& db) { return db + ".checkpoints"; }

}  // namespace

std::string checkpoint_of(const std::string& db, const TrialKey& key) {
  const std::string digest = sha256(key.text + "\n" + key.build + "\n" + key.device_class);
  return fmt::format("{}/{}", folder_of(db), digest.substr(0, 16));
}

void tidy_checkpoints(const std::string& db) {
  std::error_code not_empty;
  std::filesystem::remove(folder_of(db), not_empty);
}

}  // namespace lethe
