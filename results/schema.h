// The store's schema: an ordered list of migrations; `PRAGMA user_version` says how many have run.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>
#include <vector>

namespace lethe {

/// Written into the file's header (`PRAGMA application_id`), so that a store is known from any
/// other SQLite file: the bytes "LTHE".
inline constexpr int64_t application_id = 0x4c544845;

extern const char* const table_sql;
extern const char* const view_sql;
extern const char* const note_sql;
extern const char* const penalty_sql;

/// SQL scripts; the one at index v brings a store from version v to v + 1. Never edit one that a
/// release has run: append.
const std::vector<std::string>& migrations();

/// The version of the file, 0 for an empty one. Throws Error for an SQLite file of another program
/// and for one whose version is above `known`.
int64_t checked_version(SQLite::Database& db, const std::string& path, int64_t known);

/// Runs what is missing, each script and its version number in one transaction; safe when several
/// processes do so at once.
void migrate(SQLite::Database& db, const std::string& path,
             const std::vector<std::string>& scripts);

}  // namespace lethe
