#include "results/schema.h"

#include "core/error.h"

namespace lethe {
namespace {

int64_t number(SQLite::Database& db, const char* query) { return db.execAndGet(query).getInt64(); }

}  // namespace

const std::vector<std::string>& migrations() {
  static const std::vector<std::string> scripts = {std::string(table_sql) + view_sql, note_sql,
                                                   penalty_sql};
  return scripts;
}

int64_t checked_version(SQLite::Database& db, const std::string& path, int64_t known) {
  const int64_t version = number(db, "PRAGMA user_version");
  const bool empty = number(db, "SELECT count(*) FROM sqlite_schema") == 0;
  if (!empty && number(db, "PRAGMA application_id") != application_id) {
    fail(
        "{} is an SQLite database of another program, not a Lethe store; use another file with "
        "--db",
        path);
  }
  if (version > known) {
    fail(
        "{} has schema version {}, but this Lethe knows versions up to {}; update Lethe or use "
        "another file with --db",
        path, version, known);
  }
  return version;
}

void migrate(SQLite::Database& db, const std::string& path,
             const std::vector<std::string>& scripts) {
  const auto known = static_cast<int64_t>(scripts.size());
  while (checked_version(db, path, known) < known) {
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    // Another process may have migrated between the look above and the lock.
    const int64_t version = checked_version(db, path, known);
    if (version == known) return;
    db.exec(scripts[static_cast<size_t>(version)]);
    // A PRAGMA takes no bound values; these are numbers of our own.
    db.exec(fmt::format("PRAGMA application_id = {}", application_id));
    db.exec(fmt::format("PRAGMA user_version = {}", version + 1));
    transaction.commit();
  }
}

}  // namespace lethe
