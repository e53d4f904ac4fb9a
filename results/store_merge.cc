// Trials that another store finished.
#include "results/connection.h"
#include "results/rows.h"

namespace lethe {
namespace {

struct Place {
  std::string sweep, label;
  int64_t position = 0;
};

/// What load() does not give of a trial.
struct Beside {
  double started = 0, ended = 0;
  std::vector<Place> places;
};

Beside beside(const SQLite::Database& db, int64_t trial) {
  Beside found;
  SQLite::Statement times =
      query(db, "SELECT started_at, coalesce(ended_at, 0) FROM trial WHERE id = ?", trial);
  if (times.executeStep()) {
    found.started = times.getColumn(0).getDouble();
    found.ended = times.getColumn(1).getDouble();
  }
  SQLite::Statement row =
      query(db, "SELECT name, label, position FROM sweep WHERE trial = ? ORDER BY id", trial);
  while (row.executeStep()) {
    found.places.push_back(
        {row.getColumn(0).getString(), row.getColumn(1).getString(), row.getColumn(2).getInt64()});
  }
  return found;
}

struct Present {
  int64_t id = 0;
  std::string weights;  ///< digest
};

Present present(const SQLite::Database& db, const TrialKey& key) {
  SQLite::Statement row =
      query(db, "SELECT id, weights_digest FROM trial WHERE digest = ?", trial_digest(key));
  if (!row.executeStep()) return {};
  return {row.getColumn(0).getInt64(), row.getColumn(1).getString()};
}

/// The id that it has here; a row of what failed here, or was given up, is taken over.
int64_t put(SQLite::Database& db, const TrialRecord& trial, const Beside& more) {
  query(db,
        "INSERT INTO trial (digest, text, build, device_class, method, model, stream, seed, "
        "status, environment, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'done', ?, ?, "
        "?) ON CONFLICT DO UPDATE SET method = excluded.method, model = excluded.model, stream = "
        "excluded.stream, status = 'done', error = '', environment = excluded.environment, "
        "started_at = excluded.started_at, ended_at = excluded.ended_at",
        trial_digest(trial.key), trial.key.text, trial.key.build, trial.key.device_class,
        trial.method, trial.model, trial.stream, trial.seed, environment_id(db, trial.environment),
        more.started, more.ended)
      .exec();
  const int64_t id = present(db, trial.key).id;
  query(db, "DELETE FROM claim WHERE trial = ?", id).exec();
  TrialResult result = trial.result;
  result.artifacts.clear();  // the files are not here
  write_result(db, id, result);
  return id;
}

void add_places(SQLite::Database& db, int64_t id, const std::vector<Place>& places) {
  for (const Place& place : places) {
    query(db,
          "INSERT INTO sweep (name, trial, label, position) VALUES (?, ?, ?, ?) "
          "ON CONFLICT (name, trial) DO NOTHING",
          place.sweep, id, place.label, place.position)
        .exec();
  }
}

}  // namespace

MergeOutcome ResultStore::merge(const ResultStore& from) {
  const std::vector<TrialRecord> theirs = from.load({.build = "*", .finished_only = false});
  SQLite::Database& db = connection_->db;
  return connection_->run("taking over the trials of " + from.connection_->path, [&] {
    SQLite::Transaction change(db, at_once);
    MergeOutcome outcome;
    for (const TrialRecord& trial : theirs) {
      const TrialState here = state(trial.key);
      if (trial.status != "done" || here == TrialState::running) {
        ++outcome.left_out;
        continue;
      }
      const Beside more = from.connection_->run(
          "reading a trial", [&] { return beside(from.connection_->db, trial.id); });
      int64_t id = 0;
      if (here != TrialState::done) {
        id = put(db, trial, more);
        ++outcome.added;
      } else {
        const Present own = present(db, trial.key);
        id = own.id;
        ++(own.weights == trial.result.weights_digest ? outcome.present : outcome.different);
      }
      add_places(db, id, more.places);
    }
    change.commit();
    return outcome;
  });
}

}  // namespace lethe
