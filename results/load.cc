// Reading trials back. Every call reads in one transaction, so that it sees one state of the store.
#include <algorithm>

#include "core/error.h"
#include "results/connection.h"
#include "results/rows.h"

namespace lethe {
namespace {

constexpr size_t shortest_prefix = 4;
constexpr size_t shown_trials = 5;

/// The first column of every row.
std::vector<std::string> texts(const SQLite::Database& db, const std::string& sql) {
  SQLite::Statement row = query(db, sql);
  std::vector<std::string> all;
  while (row.executeStep()) all.push_back(row.getColumn(0).getString());
  return all;
}

// ?1 = name of a sweep or ''. A trial in several sweeps counts under the named one, else its first.
const char* const select_trials = R"sql(
SELECT t.id, t.digest, t.text, t.build, t.device_class,
       CASE WHEN ?1 <> '' THEN s.label ELSE t.method END AS shown_label,
       t.model, t.stream, coalesce(s.name, ''), t.seed, t.status, t.error, t.environment
FROM trial AS t LEFT JOIN sweep AS s
  ON s.id = (SELECT min(id) FROM sweep WHERE trial = t.id AND (?1 = '' OR name = ?1))
WHERE )sql";

TrialRecord read_record(const SQLite::Database& db, SQLite::Statement& row) {
  TrialRecord record;
  record.id = row.getColumn(0).getInt64();
  record.digest = row.getColumn(1).getString();
  record.key = {row.getColumn(2).getString(), row.getColumn(3).getString(),
                row.getColumn(4).getString()};
  record.method = row.getColumn(5).getString();
  record.model = row.getColumn(6).getString();
  record.stream = row.getColumn(7).getString();
  record.sweep = row.getColumn(8).getString();
  record.seed = row.getColumn(9).getInt64();
  record.status = row.getColumn(10).getString();
  record.error = row.getColumn(11).getString();
  record.environment = read_environment(db, row.getColumn(12).getInt64());
  record.result = read_result(db, record.id);
  return record;
}

std::string newest(const SQLite::Database& db) {
  SQLite::Statement row = query(db, "SELECT build FROM newest_build");
  return row.executeStep() ? row.getColumn(0).getString() : "";
}

struct Match {
  int64_t id = 0;
  std::string text;  ///< "3 (digest, method seed 1, done)"
};

std::vector<Match> matches(SQLite::Statement& row) {
  std::vector<Match> found;
  while (row.executeStep()) {
    found.push_back({row.getColumn(0).getInt64(),
                     fmt::format("{} ({}, {} seed {}, {})", row.getColumn(0).getInt64(),
                                 row.getColumn(1).getString(), row.getColumn(2).getString(),
                                 row.getColumn(3).getInt64(), row.getColumn(4).getString())});
  }
  return found;
}

std::string listed(const std::vector<Match>& found) {
  std::string text;
  for (size_t i = 0; i < std::min(found.size(), shown_trials); ++i) {
    text += (i == 0 ? "" : ", ") + found[i].text;
  }
  if (found.size() > shown_trials) text += fmt::format(" and {} more", found.size() - shown_trials);
  return text;
}

const std::string match_columns = "SELECT id, digest, method, seed, status FROM trial ";

std::vector<Match> candidates(const SQLite::Database& db, const std::string& given) {
  const bool digits =
      !given.empty() && given.size() < 19 &&
      std::all_of(given.begin(), given.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits) {
    SQLite::Statement row = query(db, match_columns + "WHERE id = ?", int64_t{std::stol(given)});
    std::vector<Match> found = matches(row);
    if (!found.empty()) return found;
  }
  if (given.size() < shortest_prefix) return {};
  SQLite::Statement row = query(
      db, match_columns + "WHERE substr(digest, 1, length(?1)) = lower(?1) ORDER BY id", given);
  return matches(row);
}

int64_t only_match(const SQLite::Database& db, const std::string& path, const std::string& given) {
  const std::vector<Match> found = candidates(db, given);
  if (found.size() > 1) {
    fail("'{}' stands for {} trials in {}: {}; give more characters of the digest, or the id",
         given, found.size(), path, listed(found));
  }
  if (found.size() == 1) return found.front().id;
  SQLite::Statement rows = query(db, match_columns + "ORDER BY id");
  const std::vector<Match> all = matches(rows);
  if (all.empty()) {
    fail("no trial '{}' in {}, which holds none; run a sweep with `lethe run --db {}`", given, path,
         path);
  }
  fail(
      "no trial '{}' in {}; give an id or at least {} characters of a digest; it holds: {}; "
      "`lethe report --db {}` shows their results",
      given, path, shortest_prefix, listed(all), path);
}

}  // namespace

std::vector<TrialRecord> ResultStore::load(const TrialFilter& filter) const {
  SQLite::Database& db = connection_->db;
  return connection_->run("reading trials", [&] {
    const SQLite::Transaction one_state(db);
    const std::string build = filter.build.empty() ? newest(db) : filter.build;
    SQLite::Statement row =
        query(db,
              std::string(select_trials) +
                  "(?1 = '' OR s.id IS NOT NULL) AND (?2 = '*' OR t.build = ?2)"
                  " AND (?3 = '' OR t.device_class = ?3)"
                  " AND (?4 = 0 OR t.status = 'done') "
                  "ORDER BY s.name, s.position, shown_label, t.seed, t.id",
              filter.sweep, build, filter.device_class, filter.finished_only ? 1 : 0);
    std::vector<TrialRecord> records;
    while (row.executeStep()) records.push_back(read_record(db, row));
    return records;
  });
}

TrialRecord ResultStore::find(const std::string& id_or_digest) const {
  SQLite::Database& db = connection_->db;
  return connection_->run("looking for trial " + id_or_digest, [&] {
    const SQLite::Transaction one_state(db);
    const int64_t id = only_match(db, connection_->path, id_or_digest);
    SQLite::Statement row = query(db, std::string(select_trials) + "t.id = ?2", "", id);
    row.executeStep();
    return read_record(db, row);
  });
}

std::string ResultStore::newest_build() const {
  return connection_->run("looking for the newest build", [&] { return newest(connection_->db); });
}

std::vector<std::string> ResultStore::builds() const {
  return connection_->run("listing the builds", [&] {
    return texts(connection_->db,
                 "SELECT build FROM trial GROUP BY build "
                 "ORDER BY max(ended_at) DESC NULLS LAST, max(id) DESC");
  });
}

std::vector<std::string> ResultStore::sweeps() const {
  return connection_->run("listing the sweeps", [&] {
    return texts(connection_->db, "SELECT DISTINCT name FROM sweep ORDER BY name");
  });
}

}  // namespace lethe
