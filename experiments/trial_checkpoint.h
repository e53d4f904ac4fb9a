// Where trials that were stopped or killed keep their state.
#pragma once

#include <string>

#include "core/trial.h"

namespace lethe {

/// The file in the folder DB.checkpoints beside the store from which this trial continues.
std::string checkpoint_of(const std::string& db, const TrialKey& key);

/// Removes that folder where it is empty: every trial is done.
void tidy_checkpoints(const std::string& db);

}  // namespace lethe
