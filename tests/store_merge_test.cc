// Trials of several stores in one.
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "core/digest.h"
#include "core/error.h"
#include "tests/program.h"
#include "tests/store_fixture.h"

using namespace lethe;

namespace {

/// All rows of `table` without its ids, each as one text, sorted.
std::vector<std::string> rows(const std::string& db, const std::string& query) {
  const SQLite::Database file(db);
  SQLite::Statement row(file, query);
  std::vector<std::string> found;
  while (row.executeStep()) {
    std::string text;
    for (int i = 0; i < row.getColumnCount(); ++i) text += row.getColumn(i).getString() + "|";
    found.push_back(text);
  }
  std::sort(found.begin(), found.end());
  return found;
}

const std::string kTrials =
    "SELECT digest, text, t.build, device_class, method, model, stream, seed, status, error, "
    "e.cpu, started_at, ended_at, weights_digest FROM trial t JOIN environment e ON e.id = "
    "t.environment";

TrialRecord on(const std::string& cpu, int64_t n) {
  TrialRecord trial = asked(n);
  trial.sweep = "s";
  trial.environment.cpu = cpu;
  return trial;
}

TrialResult with_weights(const std::string& digest) {
  TrialResult result = two_tasks();
  result.weights_digest = digest;
  return result;
}

/// Two stores: one of seeds 1 and 2, one of seeds 2 and 3, seed 2 with `weights` there, and of a
/// failed seed 4.
struct Stores {
  explicit Stores(const std::string& weights = "w")
      : one(folder.file("one.db"), OpenMode::read_write),
        two(folder.file("two.db"), OpenMode::read_write) {
    for (const int64_t seed : {1, 2}) store_trial(one, on("A", seed), two_tasks());
    store_trial(two, on("B", 2), with_weights(weights));
    store_trial(two, on("B", 3), two_tasks());
    two.add_to_sweep(asked(2).key, "other", "ewc weak", 7);
    two.fail(two.claim(on("B", 4), "w", 60).value(), "out of memory");
  }
  StoreFolder folder;
  ResultStore one, two;
};

}  // namespace

TEST_CASE("a merged store has each finished trial once, as it stood") {
  Stores stores;
  const MergeOutcome outcome = stores.one.merge(stores.two);
  CHECK(outcome.added == 1);
  CHECK(outcome.present == 1);
  CHECK(outcome.different == 0);
  CHECK(outcome.left_out == 1);
  const std::string one = stores.folder.file("one.db"), two = stores.folder.file("two.db");
  CHECK(rows(one, kTrials + " WHERE seed = 3") == rows(two, kTrials + " WHERE seed = 3"));
  CHECK(rows(one, "SELECT seed, cpu FROM trial t JOIN environment e ON e.id = t.environment") ==
        std::vector<std::string>{"1|A|", "2|A|", "3|B|"});
  const std::string scores = "SELECT seed, after_task, on_task, score FROM r_matrix WHERE seed = 3";
  CHECK(rows(one, scores).size() == 6);
  CHECK(rows(one, scores) == rows(two, scores));
  CHECK(rows(one,
             "SELECT s.name, t.seed, s.label, s.position FROM sweep s JOIN trial t ON t.id = "
             "s.trial") ==
        std::vector<std::string>{"other|2|ewc weak|7|", "s|1|ewc|0|", "s|2|ewc|1|", "s|3|ewc|1|"});
  const MergeOutcome again = stores.one.merge(stores.two);
  CHECK(again.added == 0);
  CHECK(again.present == 2);
  CHECK(stores.one.load({}).size() == 3);
}

TEST_CASE("a merged trial that another processor trained otherwise stays as it was first") {
  Stores stores("other bits");
  const MergeOutcome outcome = stores.one.merge(stores.two);
  CHECK(outcome.added == 1);
  CHECK(outcome.different == 1);
  CHECK(stores.one.find("2").result.weights_digest == "w");
}

TEST_CASE("a trial that failed or was given up here is taken over, one that runs is not") {
  Stores stores;
  stores.one.fail(stores.one.claim(on("A", 3), "w", 60).value(), "out of memory");
  CHECK(stores.one.merge(stores.two).added == 1);
  CHECK(stores.one.state(asked(3).key) == TrialState::done);
  const std::string one = stores.folder.file("one.db"), two = stores.folder.file("two.db");
  CHECK(rows(one, kTrials + " WHERE seed = 3") == rows(two, kTrials + " WHERE seed = 3"));

  Stores running;
  running.one.claim(on("A", 3), "w", 60);
  CHECK(running.one.merge(running.two).left_out == 2);
  CHECK(running.one.state(asked(3).key) == TrialState::running);

  Stores given_up;
  given_up.one.claim(on("A", 3), "w", -1);
  CHECK(given_up.one.merge(given_up.two).added == 1);
  CHECK(given_up.one.state(asked(3).key) == TrialState::done);
  CHECK(rows(given_up.folder.file("one.db"), "SELECT trial FROM claim").empty());
}

TEST_CASE("nothing is merged where the disk is full") {
  Stores stores;
  const std::string one = stores.folder.file("one.db");
  const auto before = rows(one, kTrials);
  TrialResult large = two_tasks();
  large.notes = {std::string(4 << 20, 'x')};
  store_trial(stores.two, on("B", 5), large);
  stores.one.limit_pages(200);
  CHECK_THROWS_WITH(stores.one.merge(stores.two), Catch::Contains("no space left"));
  CHECK(rows(one, kTrials) == before);
}

TEST_CASE("the command merges stores with what their trials kept") {
  const Scratch scratch;
  write_sweep(scratch, "[1, 2]", kFinetune);
  const auto run = [&](const char* seed, const char* db) {
    return lethe_run(scratch, {"run", "sweep.toml", "--jobs", "1", "--quiet", "--keep", "--set",
                               std::string("seeds=") + seed, "--db", db})
        .code;
  };
  REQUIRE(run("1", "one.db") == 0);
  REQUIRE(run("2", "two.db") == 0);
  const Ended merged = lethe_run(scratch, {"merge", "one.db", "two.db", "--db", "all.db"});
  CHECK(merged.code == 0);
  CHECK(merged.err.empty());
  CHECK(merged.out ==
        "one.db: 1 trial added, 0 there already; 1 kept file copied\n"
        "two.db: 1 trial added, 0 there already; 1 kept file copied\n");
  for (const auto& [db, id] : {std::pair{"one.db", "1"}, std::pair{"two.db", "2"}}) {
    const ResultStore all(scratch.path("all.db"), OpenMode::read_only);
    const std::string name = all.find(id).digest + ".safetensors";
    CHECK(sha256_file(scratch.path("all.db.weights/" + name)) ==
          sha256_file(scratch.path(db + std::string(".weights/") + name)));
  }
  CHECK(rows(scratch.path("all.db"), "SELECT count(*) FROM artifact") ==
        std::vector<std::string>{"2|"});
  CHECK(rows(scratch.path("all.db"), "SELECT count(*) FROM claim") ==
        std::vector<std::string>{"0|"});
  // The merged store has all that the sweep asks for, files included.
  const Ended whole = lethe_run(scratch, {"run", "sweep.toml", "--keep", "--db", "all.db"});
  CHECK_THAT(whole.out + whole.err, Catch::Contains("0 trials finished, 0 failed, 2 were there"));
  const Ended again = lethe_run(scratch, {"merge", "one.db", "--db", "all.db"});
  CHECK(again.out == "one.db: 0 trials added, 1 there already\n");
}

TEST_CASE("a store that can't be merged is refused before anything is written") {
  const Scratch scratch;
  { const ResultStore store(scratch.path("one.db"), OpenMode::read_write); }
  const Ended absent = lethe_run(scratch, {"merge", "one.db", "none.db", "--db", "all.db"});
  CHECK(absent.code == 2);
  CHECK_THAT(absent.err, Catch::StartsWith("error: there is no store none.db"));
  const Ended itself = lethe_run(scratch, {"merge", "./one.db", "--db", "one.db"});
  CHECK(itself.code == 2);
  CHECK(itself.err ==
        "error: ./one.db is to be merged into itself; name another store, or another one with "
        "--db\n");
  CHECK(lethe_run(scratch, {"merge", "--db", "all.db"}).code == 2);
  CHECK_FALSE(std::filesystem::exists(scratch.path("all.db")));
}
