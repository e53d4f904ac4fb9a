// The rows of a finished trial, to and from the tables. Inside results/ only.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/trial.h"

namespace lethe {

/// Inserts every row and sets the trial's own columns (weights digest, parameter counts). The
/// caller holds the transaction. NaN becomes NULL.
void write_result(SQLite::Database& db, int64_t trial, const TrialResult& result);

/// The inverse, rows in the order in which they were written; NULL becomes NaN.
TrialResult read_result(const SQLite::Database& db, int64_t trial);

/// The row equal to `environment`, inserted where there is none.
int64_t environment_id(SQLite::Database& db, const Environment& environment);
Environment read_environment(const SQLite::Database& db, int64_t id);

}  // namespace lethe
