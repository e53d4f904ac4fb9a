// One open SQLite file and how its errors read. Inside results/ only.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <map>
#include <string>

#include "results/store.h"

namespace lethe {

/// A transaction that locks as it begins: one that reads first could not write where another wrote
/// meanwhile.
inline constexpr auto at_once = SQLite::TransactionBehavior::IMMEDIATE;

/// How long a process waits for another's transaction before it gives up.
inline constexpr int busy_seconds = 60;

/// Throws the Error that a person can act on; `doing` is such as "storing trial 3".
[[noreturn]] void rethrow(const SQLite::Exception& error, const std::string& path,
                          const std::string& doing);

/// Opens, checks and (read_write) creates and migrates. Throws Error, see ResultStore's
/// constructor.
SQLite::Database open_database(const std::string& path, OpenMode mode);

/// A statement with its values bound in order.
template <class... Values>
SQLite::Statement query(const SQLite::Database& db, const std::string& sql,
                        const Values&... values) {
  SQLite::Statement statement(db, sql);
  int index = 0;
  (statement.bind(++index, values), ...);
  return statement;
}

struct ResultStore::Connection {
  Connection(const std::string& file, OpenMode mode) : path(file), db(open_database(file, mode)) {}

  template <class Work>
  auto run(const std::string& doing, Work&& work) {
    try {
      return work();
    } catch (const SQLite::Exception& error) {
      rethrow(error, path, doing);
    }
  }

  std::string path;
  SQLite::Database db;
  std::map<int64_t, std::string>
      claimed;  ///< trials claimed through this connection: their workers
};

}  // namespace lethe
