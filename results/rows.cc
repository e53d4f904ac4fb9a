#include "results/rows.h"

#include <limits>

#include "core/error.h"
#include "results/columns.h"
#include "results/connection.h"

namespace lethe {
namespace {

/// Names of a row's columns, joined for SQL.
struct Names {
  std::string list, marks, conditions;
  template <class Value>
  void operator()(const std::string& name, Value&&) {
    const bool first = list.empty();
    list += (first ? "" : ", ") + name;
    marks += first ? "?" : ", ?";
    conditions += (first ? "" : " AND ") + name + " = ?";
  }
};

template <class Row>
Names names_of() {
  Names names;
  Row blank;
  columns(blank, names);
  return names;
}

struct Binder {
  SQLite::Statement& statement;
  int index;
  // SQLite stores a bound NaN as NULL.
  template <class Value>
  void operator()(const char*, const Value& value) {
    statement.bind(index++, value);
  }
  void operator()(const char*, const Direction<const bool>& direction) {
    statement.bind(index++, direction.higher ? "higher" : "lower");
  }
};

struct Reader {
  SQLite::Statement& statement;
  int index;
  SQLite::Column next() { return statement.getColumn(index++); }
  void operator()(const char*, int64_t& value) { value = next().getInt64(); }
  void operator()(const char*, bool& value) { value = next().getInt() != 0; }
  void operator()(const char*, std::string& value) { value = next().getString(); }
  void operator()(const char*, double& value) {
    const SQLite::Column column = next();
    value = column.isNull() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
  }
  void operator()(const char*, Direction<bool> direction) {
    direction.higher = next().getString() == "higher";
  }
};

template <class Row>
void write_rows(SQLite::Database& db, const char* table, int64_t trial,
                const std::vector<Row>& rows) {
  const Names names = names_of<Row>();
  SQLite::Statement statement(
      db, fmt::format("INSERT INTO {} (trial, {}) VALUES (?, {})", table, names.list, names.marks));
  for (const Row& row : rows) {
    statement.bind(1, trial);
    columns(row, Binder{statement, 2});
    statement.exec();
    statement.reset();
  }
}

template <class Row>
std::vector<Row> read_rows(const SQLite::Database& db, const char* table, int64_t trial) {
  SQLite::Statement statement = query(
      db, fmt::format("SELECT {} FROM {} WHERE trial = ? ORDER BY id", names_of<Row>().list, table),
      trial);
  std::vector<Row> rows;
  while (statement.executeStep()) columns(rows.emplace_back(), Reader{statement, 0});
  return rows;
}

void write_tasks(SQLite::Database& db, int64_t trial, const std::vector<std::string>& names) {
  std::vector<TaskRow> rows;
  for (const std::string& name : names) {
    rows.push_back({static_cast<int64_t>(rows.size()) + 1, name});
  }
  write_rows(db, "task", trial, rows);
}

void write_notes(SQLite::Database& db, int64_t trial, const std::vector<std::string>& notes) {
  std::vector<NoteRow> rows;
  for (const std::string& note : notes) rows.push_back({note});
  write_rows(db, "note", trial, rows);
}

}  // namespace

void write_result(SQLite::Database& db, int64_t trial, const TrialResult& result) {
  write_tasks(db, trial, result.task_names);
  write_rows(db, "evaluation", trial, result.evaluations);
  write_rows(db, "curve", trial, result.curve);
  write_rows(db, "usage", trial, result.usage);
  write_rows(db, "timing", trial, result.timing);
  write_rows(db, "sample", trial, result.samples);
  write_rows(db, "artifact", trial, result.artifacts);
  write_rows(db, "penalty", trial, result.penalties);
  write_notes(db, trial, result.notes);
  query(db,
        "UPDATE trial SET weights_digest = ?, trainable_parameters = ?, total_parameters = ? "
        "WHERE id = ?",
        result.weights_digest, result.trainable_parameters, result.total_parameters, trial)
      .exec();
}

TrialResult read_result(const SQLite::Database& db, int64_t trial) {
  TrialResult result;
  for (TaskRow& task : read_rows<TaskRow>(db, "task", trial)) {
    result.task_names.push_back(std::move(task.name));
  }
  result.evaluations = read_rows<Evaluation>(db, "evaluation", trial);
  result.curve = read_rows<CurvePoint>(db, "curve", trial);
  result.usage = read_rows<Usage>(db, "usage", trial);
  result.timing = read_rows<Timing>(db, "timing", trial);
  result.samples = read_rows<Sample>(db, "sample", trial);
  result.artifacts = read_rows<Artifact>(db, "artifact", trial);
  result.penalties = read_rows<PenaltyForm>(db, "penalty", trial);
  for (NoteRow& note : read_rows<NoteRow>(db, "note", trial)) {
    result.notes.push_back(std::move(note.text));
  }
  SQLite::Statement own = query(
      db, "SELECT weights_digest, trainable_parameters, total_parameters FROM trial WHERE id = ?",
      trial);
  if (own.executeStep()) {
    result.weights_digest = own.getColumn(0).getString();
    result.trainable_parameters = own.getColumn(1).getInt64();
    result.total_parameters = own.getColumn(2).getInt64();
  }
  return result;
}

int64_t environment_id(SQLite::Database& db, const Environment& environment) {
  const Names names = names_of<Environment>();
  SQLite::Statement insert(db, fmt::format("INSERT INTO environment ({}) VALUES ({}) "
                                           "ON CONFLICT DO NOTHING",
                                           names.list, names.marks));
  columns(environment, Binder{insert, 1});
  insert.exec();
  SQLite::Statement select(db,
                           fmt::format("SELECT id FROM environment WHERE {}", names.conditions));
  columns(environment, Binder{select, 1});
  select.executeStep();
  return select.getColumn(0).getInt64();
}

Environment read_environment(const SQLite::Database& db, int64_t id) {
  SQLite::Statement select = query(
      db, fmt::format("SELECT {} FROM environment WHERE id = ?", names_of<Environment>().list), id);
  Environment environment;
  if (select.executeStep()) columns(environment, Reader{select, 0});
  return environment;
}

}  // namespace lethe
