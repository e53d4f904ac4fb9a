#include "results/connection.h"

#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/error.h"
#include "results/schema.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;

void check_place(const std::string& path, OpenMode mode) {
  const fs::path file(path);
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::error_code ignored;
  if (fs::is_directory(file, ignored)) {
    fail("cannot open the store {}: it is a folder; name a file with --db", path);
  }
  if (mode == OpenMode::read_only && !fs::exists(file, ignored)) {
    fail("there is no store {}; make one with `lethe run --db {}` or name another with --db", path,
         path);
  }
  if (!fs::is_directory(folder, ignored)) {
    fail("cannot create the store {}: {} is not a folder; create it or name another file with --db",
         path, folder.string());
  }
}

/// Switching to WAL needs the file for itself for a moment, and SQLite does not always wait for
/// that: when many workers open a new file at once, the losers try again.
void use_wal(SQLite::Database& db) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(busy_seconds);
  while (true) {
    try {
      if (db.execAndGet("PRAGMA journal_mode").getString() == "wal") return;
      db.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (const SQLite::Exception& error) {
      const bool busy = error.getErrorCode() == SQLITE_BUSY;
      if (!busy || std::chrono::steady_clock::now() > give_up) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
}

void check_readable_version(SQLite::Database& db, const std::string& path) {
  const auto known = static_cast<int64_t>(migrations().size());
  const int64_t version = checked_version(db, path, known);
  if (version == 0) {
    fail(
        "{} is empty, not a Lethe store; make one with `lethe run --db {}` or name another with "
        "--db",
        path, path);
  }
  if (version < known) {
    fail("{} has schema version {}, this Lethe reads version {}; `lethe run --db {}` migrates it",
         path, version, known, path);
  }
}

}  // namespace

void rethrow(const SQLite::Exception& error, const std::string& path, const std::string& doing) {
  const std::string detail = error.what();
  switch (error.getErrorCode()) {
    case SQLITE_FULL:
      fail(
          "no space left for the store {} while {}; the finished trials in it are safe: free disk "
          "space and run the same command again, which does only what is missing",
          path, doing);
    case SQLITE_IOERR:
      fail(
          "the disk refused to read or write the store {} while {} ({}); the finished trials in it "
          "are as they were: check the disk and its quota and run the same command again",
          path, doing, detail);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      fail(
          "{} is damaged or not an SQLite database ({}, while {}); restore it from a copy, save "
          "what "
          "is left with `sqlite3 {} .recover`, or use another file with --db",
          path, detail, doing, path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      fail(
          "cannot open or write the store {} while {} ({}); check the permissions of the file and "
          "its folder (SQLite keeps two files beside it) or name another file with --db",
          path, doing, detail);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      fail(
          "another process kept the store {} locked for {} s while {}; end that process or run the "
          "same command again later",
          path, busy_seconds, doing);
    default:
      fail("the store {} failed while {}: {}", path, doing, detail);
  }
}

SQLite::Database open_database(const std::string& path, OpenMode mode) {
  check_place(path, mode);
  try {
    const int flags = mode == OpenMode::read_only ? SQLite::OPEN_READONLY
                                                  : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE;
    SQLite::Database db(path, flags, busy_seconds * 1000);
    db.exec("PRAGMA foreign_keys = ON");
    if (mode == OpenMode::read_only) {
      check_readable_version(db, path);
    } else {
      // Before WAL is switched on: a file that is not ours stays as it is.
      checked_version(db, path, static_cast<int64_t>(migrations().size()));
      use_wal(db);
      migrate(db, path, migrations());
    }
    return db;
  } catch (const SQLite::Exception& error) {
    rethrow(error, path, "opening it");
  }
}

void ResultStore::limit_pages(int64_t pages) {
  connection_->run("limiting its size", [&] {
    // A PRAGMA takes no bound values; this is a number.
    connection_->db.exec(fmt::format("PRAGMA max_page_count = {}", pages));
  });
}

}  // namespace lethe
