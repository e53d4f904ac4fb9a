// The views that pandas, DuckDB and the sqlite3 shell read, by numbers that fit in the head.
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <optional>

#include "tests/store_fixture.h"

namespace lethe {
namespace {

using Row = std::vector<std::string>;

/// The rows of a query as text, "NULL" for NULL.
std::vector<Row> select(const StoreFolder& folder, const std::string& sql) {
  SQLite::Database db(folder.file(), SQLite::OPEN_READONLY);
  SQLite::Statement statement(db, sql);
  std::vector<Row> rows;
  while (statement.executeStep()) {
    Row& row = rows.emplace_back();
    for (int i = 0; i < statement.getColumnCount(); ++i) {
      row.push_back(statement.isColumnNull(i) ? "NULL" : statement.getColumn(i).getString());
    }
  }
  return rows;
}

/// A trial of one sweep whose final R row is `correct` of 4 on both tasks.
void store_in_sweep(ResultStore& store, int64_t seed, const std::string& build,
                    const std::string& label, int64_t position, int64_t correct) {
  TrialRecord trial = asked(seed, build);
  trial.key.text += label;
  TrialResult result = two_tasks();
  result.evaluations[4] = counted(2, 1, correct, 4);
  result.evaluations[5] = counted(2, 2, correct, 4);
  store_trial(store, trial, result);
  store.add_to_sweep(trial.key, "s", label, position);
}

}  // namespace

TEST_CASE("r_matrix holds the scores between tasks and leaves out those within one", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  TrialResult result = two_tasks();
  result.evaluations.push_back(counted(2, 2, 0, 4));
  result.evaluations.back().within_task = true;
  store_trial(store, asked(7), result);
  CHECK(select(folder, "SELECT * FROM r_matrix WHERE after_task = 2") ==
        std::vector<Row>{{"1", "ewc", "7", "2", "1", "task 1", "accuracy", "0.5"},
                         {"1", "ewc", "7", "2", "2", "task 2", "accuracy", "0.75"}});
  CHECK(select(folder, "SELECT count(*) FROM r_matrix") == std::vector<Row>{{"6"}});
}

TEST_CASE("final_metrics are the means of R by the formulas", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  store_trial(store, asked(1), two_tasks());
  // final = (1/2 + 3/4) / 2, learned = (1 + 3/4) / 2, backward = 1/2 - 1.
  CHECK(select(folder, "SELECT * FROM final_metrics") ==
        std::vector<Row>{{"1", "accuracy", "0.625", "0.875", "-0.5"}});
}

TEST_CASE("a score that is missing makes the averages that need it NULL, not smaller", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  TrialResult no_final = two_tasks(), no_learned = two_tasks(), no_rows = two_tasks();
  no_final.evaluations.erase(no_final.evaluations.begin() + 4);
  no_learned.evaluations.erase(no_learned.evaluations.begin() + 2);
  no_rows.evaluations[4].total = 0;
  store_trial(store, asked(1), no_final);
  store_trial(store, asked(2), no_learned);
  store_trial(store, asked(3), no_rows);
  CHECK(select(folder, "SELECT * FROM final_metrics ORDER BY trial") ==
        std::vector<Row>{{"1", "accuracy", "NULL", "0.875", "NULL"},
                         {"2", "accuracy", "0.625", "NULL", "NULL"},
                         {"3", "accuracy", "NULL", "0.875", "NULL"}});
}

TEST_CASE("metrics are averaged apart, each over the tasks that it measures", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  TrialResult result = two_tasks();
  for (Evaluation& cell : result.evaluations) {
    if (cell.on_task == 2) cell.metric = {"loss", "nats", false};
  }
  Evaluation probe = counted(2, 0, 1, 4);
  result.evaluations.push_back(probe);
  store_trial(store, asked(1), result);
  CHECK(select(folder, "SELECT * FROM final_metrics ORDER BY metric") ==
        std::vector<Row>{{"1", "accuracy", "0.5", "1.0", "-0.5"},
                         {"1", "loss", "0.75", "0.75", "NULL"}});
}

TEST_CASE("the comparison is the mean over the seeds of the newest build", "[store]") {
  const StoreFolder folder;
  ResultStore store(folder.file(), OpenMode::read_write);
  store_in_sweep(store, 1, "old", "weak", 0, 4);
  store_in_sweep(store, 1, "new", "weak", 1, 1);
  store_in_sweep(store, 2, "new", "weak", 1, 2);
  store_in_sweep(store, 1, "new", "strong", 0, 3);
  CHECK(select(folder, "SELECT * FROM comparison") ==
        std::vector<Row>{{"s", "split_mnist", "mlp", "strong", "accuracy", "new", "cpu", "1",
                          "0.75", "0.875", "-0.25"},
                         {"s", "split_mnist", "mlp", "weak", "accuracy", "new", "cpu", "2", "0.375",
                          "0.6875", "-0.625"}});
}

TEST_CASE("the tables are strict and the file says that it is a store", "[store]") {
  const StoreFolder folder;
  { ResultStore store(folder.file(), OpenMode::read_write); }
  CHECK(select(folder,
               "SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND "
               "name NOT LIKE 'sqlite%'")
            .empty());
  CHECK(select(folder, "PRAGMA user_version") == std::vector<Row>{{"3"}});
  CHECK(select(folder, "PRAGMA application_id") == std::vector<Row>{{"1280591941"}});
  CHECK(select(folder, "PRAGMA journal_mode") == std::vector<Row>{{"wal"}});
}

}  // namespace lethe
