// Claiming and ending trials: every change is one immediate transaction.
#include "results/store.h"

#include <chrono>

#include "core/digest.h"
#include "core/error.h"
#include "results/connection.h"
#include "results/rows.h"

namespace lethe {
namespace {

using Change = SQLite::Transaction;

struct Found {
  int64_t id = 0;
  TrialState state = TrialState::missing;
  double ended = 0;  // seconds since 1970
};

/// A running trial whose lease has run out counts as missing, but keeps its row.
Found look_up(const SQLite::Database& db, const TrialKey& key) {
  SQLite::Statement row = query(db,
                                "SELECT t.id, t.status, coalesce(c.lease_ends, 0) > ?, "
                                "coalesce(t.ended_at, 0) FROM trial t "
                                "LEFT JOIN claim c ON c.trial = t.id "
                                "WHERE t.text = ? AND t.build = ? AND t.device_class = ?",
                                seconds_since_1970(), key.text, key.build, key.device_class);
  if (!row.executeStep()) return {};
  Found found{row.getColumn(0).getInt64(), TrialState::missing, row.getColumn(3).getDouble()};
  const std::string status = row.getColumn(1).getString();
  if (status == "done") found.state = TrialState::done;
  if (status == "failed") found.state = TrialState::failed;
  if (status == "running" && row.getColumn(2).getInt() == 1) found.state = TrialState::running;
  return found;
}

int64_t insert_trial(SQLite::Database& db, const TrialRecord& trial) {
  query(db,
        "INSERT INTO trial (digest, text, build, device_class, method, model, stream, seed, "
        "status, environment, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?)",
        trial_digest(trial.key), trial.key.text, trial.key.build, trial.key.device_class,
        trial.method, trial.model, trial.stream, trial.seed, environment_id(db, trial.environment),
        seconds_since_1970())
      .exec();
  return db.getLastInsertRowid();
}

/// The error of a failure stays until the trial ends again.
void restart_trial(SQLite::Database& db, int64_t id, const TrialRecord& trial) {
  query(db,
        "UPDATE trial SET method = ?, model = ?, stream = ?, seed = ?, status = 'running', "
        "environment = ?, started_at = ?, ended_at = NULL WHERE id = ?",
        trial.method, trial.model, trial.stream, trial.seed, environment_id(db, trial.environment),
        seconds_since_1970(), id)
      .exec();
}

void put_claim(SQLite::Database& db, int64_t id, const std::string& worker, double lease_seconds) {
  query(db,
        "INSERT INTO claim (trial, worker, lease_ends) VALUES (?, ?, ?) ON CONFLICT (trial) "
        "DO UPDATE SET worker = excluded.worker, lease_ends = excluded.lease_ends",
        id, worker, seconds_since_1970() + lease_seconds)
      .exec();
}

/// The trial's place in the sweep that runs it; add_to_sweep() gives it its label and position.
void put_in_sweep(SQLite::Database& db, int64_t id, const TrialRecord& trial) {
  if (trial.sweep.empty()) return;
  query(db,
        "INSERT INTO sweep (name, trial, label, position) SELECT ?1, ?2, ?3, "
        "coalesce(max(position) + 1, 0) FROM sweep WHERE name = ?1 "
        "ON CONFLICT (name, trial) DO NOTHING",
        trial.sweep, id, trial.method)
      .exec();
}

std::string status_of(const SQLite::Database& db, const std::string& path, int64_t trial) {
  SQLite::Statement row = query(db, "SELECT status FROM trial WHERE id = ?", trial);
  if (!row.executeStep()) {
    fail("the store {} has no trial {}; claim a trial before it is finished", path, trial);
  }
  return row.getColumn(0).getString();
}

void end_trial(SQLite::Database& db, int64_t trial, const char* status, const std::string& error) {
  query(db, "UPDATE trial SET status = ?, error = ?, ended_at = ? WHERE id = ?", status, error,
        seconds_since_1970(), trial)
      .exec();
  query(db, "DELETE FROM claim WHERE trial = ?", trial).exec();
}

/// Two workers may run one trial when the first one's lease ran out while it was alive. They must
/// have come to the same weights; then the first result stays and the second is dropped.
void check_same_weights(const SQLite::Database& db, const std::string& path, int64_t trial,
                        const std::string& weights) {
  SQLite::Statement row = query(db, "SELECT weights_digest FROM trial WHERE id = ?", trial);
  row.executeStep();
  const std::string stored = row.getColumn(0).getString();
  if (stored == weights) return;
  fail(
      "trial {} in {} is already finished with weights {}, and ran again to weights {}; the first "
      "result stays: find out why the two runs differ",
      trial, path, stored, weights);
}

}  // namespace

/// Whether another worker holds a trial that this connection claimed.
bool ResultStore::taken_over(const Connection& connection, int64_t trial) {
  const auto mine = connection.claimed.find(trial);
  if (mine == connection.claimed.end()) return false;
  return query(connection.db, "SELECT 1 FROM claim WHERE trial = ? AND worker <> ?", trial,
               mine->second)
      .executeStep();
}

std::string trial_digest(const TrialKey& key) {
  return sha256(key.text + "\n" + key.build + "\n" + key.device_class).substr(0, 16);
}

ResultStore::ResultStore(const std::string& path, OpenMode mode)
    : connection_(std::make_unique<Connection>(path, mode)) {}

ResultStore::~ResultStore() = default;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TrialState ResultStore::state(const TrialKey& key) const {
  return connection_->run("looking for a trial",
                          [&] { return look_up(connection_->db, key).state; });
}

std::optional<int64_t> ResultStore::claim(const TrialRecord& spec_labels, const std::string& worker,
                                          double lease_seconds, double retry_before) {
  SQLite::Database& db = connection_->db;
  return connection_->run("claiming a trial", [&]() -> std::optional<int64_t> {
    Change change(db, at_once);
    Found found = look_up(db, spec_labels.key);
    const bool wanted = found.state == TrialState::missing ||
                        (found.state == TrialState::failed && found.ended < retry_before);
    if (!wanted) return std::nullopt;
    if (found.id == 0) {
      found.id = insert_trial(db, spec_labels);
    } else {
      restart_trial(db, found.id, spec_labels);
    }
    put_claim(db, found.id, worker, lease_seconds);
    put_in_sweep(db, found.id, spec_labels);
    change.commit();
    connection_->claimed[found.id] = worker;
    return found.id;
  });
}

bool ResultStore::renew(const TrialKey& key, const std::string& worker, double lease_seconds) {
  return connection_->run("renewing a lease", [&] {
    return query(connection_->db,
                 "UPDATE claim SET lease_ends = ? WHERE worker = ? AND trial = (SELECT id FROM "
                 "trial WHERE text = ? AND build = ? AND device_class = ?)",
                 seconds_since_1970() + lease_seconds, worker, key.text, key.build,
                 key.device_class)
               .exec() > 0;
  });
}

void ResultStore::release(int64_t trial) {
  SQLite::Database& db = connection_->db;
  connection_->run(fmt::format("giving back trial {}", trial), [&] {
    Change change(db, at_once);
    if (taken_over(*connection_, trial)) return;
    SQLite::Statement row =
        query(db, "SELECT error FROM trial WHERE id = ? AND status = 'running'", trial);
    if (!row.executeStep()) return;
    const std::string error = row.getColumn(0).getString();
    if (error.empty()) {
      query(db, "DELETE FROM trial WHERE id = ?", trial).exec();
    } else {
      end_trial(db, trial, "failed", error);
    }
    change.commit();
  });
}

void ResultStore::finish(int64_t trial, const TrialResult& result) {
  SQLite::Database& db = connection_->db;
  connection_->run(fmt::format("storing trial {}", trial), [&] {
    Change change(db, at_once);
    if (status_of(db, connection_->path, trial) == "done") {
      check_same_weights(db, connection_->path, trial, result.weights_digest);
      return;
    }
    write_result(db, trial, result);
    end_trial(db, trial, "done", "");
    change.commit();
  });
}

void ResultStore::fail(int64_t trial, const std::string& error) {
  SQLite::Database& db = connection_->db;
  connection_->run(fmt::format("storing the error of trial {}", trial), [&] {
    Change change(db, at_once);
    // A result that another worker stored meanwhile outlasts this worker's error.
    if (status_of(db, connection_->path, trial) == "done") return;
    if (taken_over(*connection_, trial)) return;
    end_trial(db, trial, "failed", error);
    change.commit();
  });
}

void ResultStore::add_to_sweep(const TrialKey& key, const std::string& sweep,
                               const std::string& label, int64_t position) {
  SQLite::Database& db = connection_->db;
  connection_->run(fmt::format("adding a trial to sweep {}", sweep), [&] {
    Change change(db, at_once);
    const int64_t id = look_up(db, key).id;
    if (id == 0) {
      lethe::fail("the store {} has no trial {} to add to sweep {}; claim it first",
                  connection_->path, trial_digest(key), sweep);
    }
    query(db,
          "INSERT INTO sweep (name, trial, label, position) VALUES (?, ?, ?, ?) ON CONFLICT "
          "(name, trial) DO UPDATE SET label = excluded.label, position = excluded.position",
          sweep, id, label, position)
        .exec();
    change.commit();
  });
}

}  // namespace lethe
