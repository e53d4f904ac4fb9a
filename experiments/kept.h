// The values that a trial trained, in a file beside the store. Free of libtorch.
#pragma once

#include <string>

#include "results/store.h"

namespace lethe {

/// DB.weights/DIGEST.safetensors.
std::string kept_path(const std::string& db, const TrialKey& key);

/// The folder of kept_path() where it is missing. Throws Error where it can't be made.
void make_kept_folder(const std::string& db);

/// The written file as the store has it: its path from the store's folder on, and its digest.
Artifact kept_artifact(const std::string& path);

/// Whether the file is on record and there.
bool has_kept(const ResultStore& store, const std::string& db, const TrialKey& key);

/// The file of a finished trial, checked against its digest. Throws Error with the command that
/// makes it where there is none, and for a file that is gone or was changed.
std::string kept_file(const std::string& db, const TrialRecord& trial);

}  // namespace lethe
