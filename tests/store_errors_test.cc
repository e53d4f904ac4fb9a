// What a person reads when the store cannot be used, in full.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "results/schema.h"
#include "tests/store_fixture.h"

namespace lethe {
namespace {

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void change(const std::string& path, const std::string& sql) {
  SQLite::Database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(sql);
}

void open(const std::string& path, OpenMode mode) { ResultStore store(path, mode); }

}  // namespace

TEST_CASE("a store below something that is not a folder is refused", "[store]") {
  const StoreFolder folder;
  write_file(folder.file("plain"), "x");
  const std::string path = folder.file("plain/lethe.db");
  CHECK_THROWS_WITH(open(path, OpenMode::read_write),
                    "cannot create the store " + path + ": " + folder.file("plain") +
                        " is not a folder; create it or name another file with --db");
}

TEST_CASE("a store that is a folder is refused", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file("sub");
  std::filesystem::create_directory(path);
  CHECK_THROWS_WITH(open(path, OpenMode::read_write),
                    "cannot open the store " + path + ": it is a folder; name a file with --db");
}

TEST_CASE("reading a store that is not there says how to make one and makes none", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  CHECK_THROWS_WITH(open(path, OpenMode::read_only), "there is no store " + path +
                                                         "; make one with `lethe run --db " + path +
                                                         "` or name another with --db");
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("writing through a connection for reading is refused", "[store]") {
  const StoreFolder folder;
  open(folder.file(), OpenMode::read_write);
  ResultStore store(folder.file(), OpenMode::read_only);
  CHECK_THROWS_WITH(store.claim(asked(1), "w", 60),
                    "cannot open or write the store " + folder.file() +
                        " while claiming a trial (attempt to write a readonly database); check the "
                        "permissions of the file and its folder (SQLite keeps two files beside it) "
                        "or name another file with --db");
}

TEST_CASE("a text file is no store and stays as it was", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file("notes.txt");
  const std::string text(200, 'a');
  write_file(path, text);
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write}) {
    CHECK_THROWS_WITH(open(path, mode),
                      path +
                          " is damaged or not an SQLite database (file is not a database, while "
                          "opening it); restore it from a copy, save what is left with `sqlite3 " +
                          path + " .recover`, or use another file with --db");
  }
  CHECK(read_file(path) == text);
}

TEST_CASE("a truncated store is refused", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  {
    ResultStore store(path, OpenMode::read_write);
    store_trial(store, asked(1), two_tasks());
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write}) {
    CHECK_THROWS_WITH(open(path, mode),
                      path +
                          " is damaged or not an SQLite database (database disk image is "
                          "malformed, while opening it); restore it from a copy, save what is "
                          "left with `sqlite3 " +
                          path + " .recover`, or use another file with --db");
  }
}

TEST_CASE("damage inside the file is named when the page is read", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  {
    ResultStore store(path, OpenMode::read_write);
    store_trial(store, asked(1), two_tasks());
  }
  int64_t page = 0;
  {
    SQLite::Database db(path);
    page = db.execAndGet("SELECT rootpage FROM sqlite_schema WHERE name = 'evaluation'").getInt64();
  }
  std::string bytes = read_file(path);
  bytes.replace(static_cast<size_t>((page - 1) * 4096), 4096, 4096, '\xff');
  write_file(path, bytes);
  const ResultStore store(path, OpenMode::read_only);
  CHECK_THROWS_WITH(store.load({}),
                    path +
                        " is damaged or not an SQLite database (database disk image is "
                        "malformed, while reading trials); restore it from a copy, save what is "
                        "left with `sqlite3 " +
                        path + " .recover`, or use another file with --db");
}

TEST_CASE("another program's database is refused and stays as it was", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  change(path, "CREATE TABLE songs (title TEXT)");
  const std::string before = read_file(path);
  CHECK_THROWS_WITH(open(path, OpenMode::read_write),
                    path +
                        " is an SQLite database of another program, not a Lethe store; use "
                        "another file with --db");
  CHECK(read_file(path) == before);
}

TEST_CASE("a store of a newer schema names both versions", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  open(path, OpenMode::read_write);
  change(path, "PRAGMA user_version = 7");
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write}) {
    CHECK_THROWS_WITH(open(path, mode),
                      path +
                          " has schema version 7, but this Lethe knows versions up to 3; update "
                          "Lethe or use another file with --db");
  }
}

TEST_CASE("an empty file is not yet a store for reading", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  write_file(path, "");
  CHECK_THROWS_WITH(open(path, OpenMode::read_only),
                    path + " is empty, not a Lethe store; make one with `lethe run --db " + path +
                        "` or name another with --db");
  CHECK_NOTHROW(open(path, OpenMode::read_write));
}

TEST_CASE("migrations run once, in order, each whole or not at all", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  migrate(db, path, {"CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"});
  const std::vector<std::string> broken = {"never run again", "UPDATE a SET x = x + 10",
                                           "UPDATE a SET x = x + 100; SELECT * FROM nowhere"};
  CHECK_THROWS_WITH(migrate(db, path, broken), "no such table: nowhere");
  CHECK(db.execAndGet("PRAGMA user_version").getInt64() == 2);
  CHECK(db.execAndGet("SELECT x FROM a").getInt64() == 11);
}

TEST_CASE("an older store gains what a strength means when it is next written", "[store]") {
  const auto from = GENERATE(as<size_t>(), 1, 2);
  const StoreFolder folder;
  const std::string path = folder.file();
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    const auto& scripts = migrations();
    migrate(db, path, {scripts.begin(), scripts.begin() + static_cast<int64_t>(from)});
  }
  const auto version = [&] {
    return SQLite::Database(path, SQLite::OPEN_READONLY).execAndGet("PRAGMA user_version").getInt();
  };
  change(
      path,
      "INSERT INTO environment VALUES (1, 'b1', '', '', '', '', '', '', 1, 1);"
      "INSERT INTO trial (digest, text, build, device_class, method, model, stream, seed, status, "
      "environment, started_at) VALUES ('d', 't', 'b1', 'cpu', 'ewc', 'mlp', 's', 1, 'done', 1, "
      "0)");
  CHECK_THROWS_WITH(open(path, OpenMode::read_only),
                    path + " has schema version " + std::to_string(from) +
                        ", this Lethe reads version 3; `lethe run --db " + path + "` migrates it");
  CHECK(version() == static_cast<int>(from));
  ResultStore store(path, OpenMode::read_write);
  CHECK(version() == 3);
  CHECK(store.load({}).at(0).result.penalties.empty());
  store_trial(store, asked(1), two_tasks());
  const auto penalties = store.load({}).at(1).result.penalties;
  REQUIRE(penalties.size() == 1);
  CHECK(penalties[0].importance == "Fisher, exact labels");
}

TEST_CASE("a full disk is named and the finished trials stay", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  ResultStore store(path, OpenMode::read_write);
  store_trial(store, asked(1), two_tasks());
  const int64_t id = store.claim(asked(2), "w", 60).value();
  TrialResult large = two_tasks();
  large.samples.assign(100, {1, 1, 1, std::string(10000, 'p'), "", ""});
  store.limit_pages(1);  // SQLite takes the present size where that is more.
  CHECK_THROWS_WITH(store.finish(id, large),
                    "no space left for the store " + path +
                        " while storing trial 2; the finished trials in it are safe: free disk "
                        "space and run the same command again, which does only what is missing");
  CHECK(store.load({}).size() == 1);
  CHECK(store.state(asked(2).key) == TrialState::running);
  CHECK(ResultStore(path, OpenMode::read_only).find("2").result.evaluations.empty());
  store.limit_pages(1000000);
  store.finish(id, large);
  CHECK(store.find("2").result.samples.size() == 100);
}

TEST_CASE("a trial that is not there is answered with those that are", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  ResultStore store(path, OpenMode::read_write);
  CHECK_THROWS_WITH(store.find("1"), "no trial '1' in " + path +
                                         ", which holds none; run a sweep with `lethe run --db " +
                                         path + "`");
  store_trial(store, asked(1), two_tasks());
  store.fail(store.claim(asked(2), "w", 60).value(), "no");
  const std::string one = store.find("1").digest, two = store.find("2").digest;
  const std::string holds = "; give an id or at least 4 characters of a digest; it holds: 1 (" +
                            one + ", ewc seed 1, done), 2 (" + two +
                            ", ewc seed 2, failed); `lethe report --db " + path +
                            "` shows their results";
  for (const std::string given : {"zzzz", "", "99", "%", "____", "x' OR 1=1 --"}) {
    CHECK_THROWS_WITH(store.find(given), "no trial '" + given + "' in " + path + holds);
  }
  CHECK_THROWS_WITH(store.find(one.substr(0, 3)),
                    "no trial '" + one.substr(0, 3) + "' in " + path + holds);
}

TEST_CASE("an ambiguous digest is answered with the trials that it stands for", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  ResultStore store(path, OpenMode::read_write);
  for (int64_t seed = 1; seed <= 7; ++seed) store_trial(store, asked(seed), two_tasks());
  change(path, "UPDATE trial SET digest = 'abcd00000000000' || id");
  CHECK_THROWS_WITH(
      store.find("ABCD"),
      "'ABCD' stands for 7 trials in " + path +
          ": 1 (abcd000000000001, ewc seed 1, done), 2 (abcd000000000002, ewc seed 2, done), 3 "
          "(abcd000000000003, ewc seed 3, done), 4 (abcd000000000004, ewc seed 4, done), 5 "
          "(abcd000000000005, ewc seed 5, done) and 2 more; give more characters of the digest, or "
          "the id");
}

TEST_CASE("ending or adding a trial that nobody claimed is refused", "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  ResultStore store(path, OpenMode::read_write);
  const std::string message =
      "the store " + path + " has no trial 5; claim a trial before it is finished";
  CHECK_THROWS_WITH(store.finish(5, two_tasks()), message);
  CHECK_THROWS_WITH(store.fail(5, "no"), message);
  CHECK_THROWS_WITH(store.add_to_sweep({"t", "b", "cpu"}, "s", "l", 0),
                    "the store " + path +
                        " has no trial 8125451dbf25e4d8 to add to sweep s; claim "
                        "it first");
}

TEST_CASE("two scores for one cell of R are refused and nothing of the trial is stored",
          "[store]") {
  const StoreFolder folder;
  const std::string path = folder.file();
  ResultStore store(path, OpenMode::read_write);
  const int64_t id = store.claim(asked(1), "w", 60).value();
  TrialResult twice = two_tasks();
  twice.evaluations.push_back(twice.evaluations.back());
  CHECK_THROWS_WITH(store.finish(id, twice),
                    "the store " + path +
                        " failed while storing trial 1: UNIQUE constraint failed: "
                        "evaluation.trial, evaluation.after_task, evaluation.on_task, "
                        "evaluation.task, evaluation.metric");
  CHECK(store.find("1").result.evaluations.empty());
  CHECK(store.find("1").status == "running");
}

}  // namespace lethe
