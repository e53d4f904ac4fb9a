// Files that trials wrote: which there are, and trials run again for one.
#include "core/error.h"
#include "results/connection.h"

namespace lethe {
namespace {

using Change = SQLite::Transaction;

}  // namespace

std::vector<Artifact> ResultStore::artifacts(const TrialKey& key) const {
  return connection_->run("looking for a trial's files", [&] {
    SQLite::Statement row = query(connection_->db,
                                  "SELECT a.path, a.sha256 FROM artifact a JOIN trial t ON t.id = "
                                  "a.trial WHERE t.text = ? AND t.build = ? AND t.device_class = ? "
                                  "AND t.status = 'done' ORDER BY a.id",
                                  key.text, key.build, key.device_class);
    std::vector<Artifact> found;
    while (row.executeStep()) {
      found.push_back({row.getColumn(0).getString(), row.getColumn(1).getString()});
    }
    return found;
  });
}

std::optional<int64_t> ResultStore::claim_finished(const TrialKey& key, const std::string& worker,
                                                   double lease_seconds) {
  SQLite::Database& db = connection_->db;
  return connection_->run("taking a finished trial", [&]() -> std::optional<int64_t> {
    Change change(db, at_once);
    SQLite::Statement row = query(db,
                                  "SELECT t.id FROM trial t LEFT JOIN claim c ON c.trial = t.id "
                                  "WHERE t.text = ? AND t.build = ? AND t.device_class = ? AND "
                                  "t.status = 'done' AND coalesce(c.lease_ends, 0) <= ?",
                                  key.text, key.build, key.device_class, seconds_since_1970());
    if (!row.executeStep()) return std::nullopt;
    const int64_t id = row.getColumn(0).getInt64();
    query(db,
          "INSERT INTO claim (trial, worker, lease_ends) VALUES (?, ?, ?) ON CONFLICT (trial) "
          "DO UPDATE SET worker = excluded.worker, lease_ends = excluded.lease_ends",
          id, worker, seconds_since_1970() + lease_seconds)
        .exec();
    change.commit();
    return id;
  });
}

void ResultStore::add_artifact(int64_t trial, const Artifact& artifact,
                               const std::string& weights_digest) {
  SQLite::Database& db = connection_->db;
  connection_->run(fmt::format("storing a file of trial {}", trial), [&] {
    Change change(db, at_once);
    SQLite::Statement row = query(db, "SELECT weights_digest FROM trial WHERE id = ?", trial);
    const std::string stored = row.executeStep() ? row.getColumn(0).getString() : "";
    if (stored != weights_digest) {
      lethe::fail(
          "trial {} in {} finished with weights {}, and ran again to weights {}; its file is not "
          "kept: find out why the two runs differ",
          trial, connection_->path, stored, weights_digest);
    }
    query(db, "DELETE FROM artifact WHERE trial = ? AND path = ?", trial, artifact.path).exec();
    query(db, "INSERT INTO artifact (trial, path, sha256) VALUES (?, ?, ?)", trial, artifact.path,
          artifact.sha256)
        .exec();
    query(db, "DELETE FROM claim WHERE trial = ?", trial).exec();
    change.commit();
  });
}

void ResultStore::drop_claim(int64_t trial) {
  connection_->run(fmt::format("giving back trial {}", trial), [&] {
    query(connection_->db,
          "DELETE FROM claim WHERE trial = ? AND EXISTS (SELECT 1 FROM trial WHERE id = ? AND "
          "status = 'done')",
          trial, trial)
        .exec();
  });
}

}  // namespace lethe
