// The program's commands: what they print, what they write and their exit codes.
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "tests/program.h"

using Catch::Contains;
using Catch::StartsWith;
using Words = std::vector<std::string>;

TEST_CASE("help on every command has its options, and exit code 0") {
  const Scratch scratch;
  const std::vector<std::pair<Words, Words>> commands = {
      {{"--help"}, {"run", "report", "check", "list", "show", "export", "predict", "--version"}},
      {{"run", "--help"},
       {"sweep", "--db", "--jobs", "--device", "--set", "--plugin", "--dry-run", "--retry-failed",
        "--quiet", "Example: lethe run"}},
      {{"report", "--help"}, {"--db", "--format", "--output", "--sweep", "--build"}},
      {{"check", "--help"}, {"--baseline", "--db", "--sweep", "--update", "Exit code 1"}},
      {{"list", "--help"}, {"methods, streams, models or metrics", "--format", "--plugin"}},
      {{"show", "--help"}, {"trial", "--db"}},
      {{"export", "--help"}, {"trial", "--to", "--merge", "--base", "--rows", "--logits"}},
      {{"predict", "--help"},
       {"model", "--prompt", "--input", "--output", "--field", "--second", "--adapter", "--use",
        "--max-new", "--batch", "--temperature", "--top-k", "--top-p", "--seed", "--stop"}}};
  for (const auto& [command, words] : commands) {
    CAPTURE(command);
    const Ended ended = lethe_run(scratch, command);
    CHECK(ended.code == 0);
    CHECK_THAT(ended.out, Contains("Usage: "));
    for (const std::string& word : words) CHECK_THAT(ended.out, Contains(word));
  }
  const Ended version = lethe_run(scratch, {"--version"});
  CHECK(version.code == 0);
  CHECK_THAT(version.out, StartsWith("lethe build ") && Contains("\nlibtorch 2.11"));
}

TEST_CASE("wrong usage has exit code 2 and says what is wrong") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune);
  scratch.write("bad.toml", "[[method]]\nname = \"ewcc\"\n");
  const std::vector<std::pair<Words, std::string>> wrong = {
      {{}, "A subcommand is required"},
      {{"run", "--job", "2"}, "--job"},
      {{"run", "--jobs", "-1"}, "--jobs"},
      {{"check"}, "--baseline is required"},
      {{"run", "none.toml"},
       "error: sweep file none.toml can't be read; give the path of a TOML file\n"},
      {{"run", "bad.toml"}, "error: bad.toml:2: unknown method 'ewcc'; known methods: a-gem, "},
      {{"run", "sweep.toml", "--set", "train.steps=0"}, "error: option 'steps' of train is 0; "},
      {{"run", "sweep.toml", "--device", "gpu"},
       "error: unknown device 'gpu'; expected cpu, cuda or cuda:INDEX\n"},
      {{"report"}, "error: there is no store lethe.db; make one with `lethe run --db lethe.db`"},
      {{"check", "--baseline", "none.toml"}, "none.toml"}};
  check_refused(scratch, wrong);
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));
}

TEST_CASE("what a method can't do is said before any trial trains, and no store is made") {
  const Scratch scratch;
  write_sweep(scratch, "[1, 2]",
              kFinetune + "[[method]]\nname = \"replay\"\nbudget = 500\n" +
                  "[[method]]\nname = \"prompt\"\n");
  const Ended ended = lethe_run(scratch, {"run", "sweep.toml"});
  CHECK(ended.code == 2);
  CHECK_THAT(ended.err,
             StartsWith("error: method 'replay' can't run on stream 'split validation=2' "
                        "with model 'mlp width=8': replay: a budget of 500 rows") &&
                 Contains("\nmethod 'prompt' can't run on stream 'split validation=2' "
                          "with model 'mlp width=8': prompt: virtual tokens need"));
  CHECK(ended.out.empty());
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));
}

TEST_CASE("a missing device is named before anything runs") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune);
  setenv("CUDA_VISIBLE_DEVICES", "", 1);  // also where the machine has one
  for (const std::string device : {"cuda", "cuda:3"}) {
    const Ended ended = lethe_run(scratch, {"run", "sweep.toml", "--device", device});
    CHECK(ended.code == 2);
    CHECK_THAT(ended.err, StartsWith("error: no CUDA device") && Contains("--device cpu"));
  }
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));
}

TEST_CASE("a sweep runs once; a second call runs what the store lacks") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune + kEwc);
  const std::string form = " split validation=2 | mlp width=8 | ";
  const Ended before = lethe_run(scratch, {"run", "sweep.toml", "--dry-run"});
  CHECK(before.code == 0);
  CHECK(before.out == "to run  " + form + "finetune | seed 1\nto run  " + form +
                          "ewc | seed 1\n2 trials, 0 done\n");
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));

  const Ended first = lethe_run(scratch, {"run", "sweep.toml", "--jobs", "2"});
  CHECK(first.code == 0);
  CHECK_THAT(first.out,
             StartsWith("\nsplit validation=2 | mlp width=8 | cpu (mean ± 95 % over seeds)\n"
                        "method    n  ") &&
                 Contains("\nfinetune  1  ") && Contains("\newc       1  "));
  CHECK_THAT(first.out,
             Contains("2 trials finished, 0 failed, 0 were there before; store: lethe.db\n"));
  CHECK_THAT(first.err, Contains("[2/2] "));

  const Ended second = lethe_run(scratch, {"run", "sweep.toml", "--set", "seeds=1,2"});
  CHECK(second.code == 0);
  CHECK_THAT(second.out,
             Contains("2 trials finished, 0 failed, 2 were there before; store: lethe.db\n"));
  CHECK(lethe_run(scratch, {"run", "sweep.toml", "--dry-run", "--set", "seeds=2,3"}).out ==
        "done    " + form + "finetune | seed 2\nto run  " + form + "finetune | seed 3\n" +
            "done    " + form + "ewc | seed 2\nto run  " + form +
            "ewc | seed 3\n4 trials, 2 done\n");

  const Ended quiet = lethe_run(scratch, {"run", "sweep.toml", "--quiet", "--set", "seeds=4"});
  CHECK(quiet.code == 0);
  CHECK(quiet.out.empty());
  CHECK(quiet.err.empty());
}

TEST_CASE("a changed plugin's trials run again, the others do not") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune + "[[method]]\nname = \"tether\"\n");
  const std::string built = std::string(LETHE_BINARY_DIR) + "/plugins/tether.so";
  std::filesystem::copy_file(built, scratch.path("tether.so"));
  const Words command = {"run", "sweep.toml", "--plugin", "tether.so"};
  CHECK_THAT(lethe_run(scratch, command).out, Contains("2 trials finished, 0 failed, 0 were"));
  CHECK_THAT(lethe_run(scratch, command).out, Contains("0 trials finished, 0 failed, 2 were"));
  std::ofstream(scratch.path("tether.so"), std::ios::app)
      << "another file, though it acts the same";
  CHECK_THAT(lethe_run(scratch, command).out, Contains("1 trials finished, 0 failed, 1 were"));
}

TEST_CASE("files that are no store are refused and stay as they were") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune);
  const std::string text(200, 'a');
  scratch.write("notes.txt", text);
  const Ended notes = lethe_run(scratch, {"run", "sweep.toml", "--db", "notes.txt"});
  CHECK(notes.code == 2);
  CHECK_THAT(notes.err, StartsWith("error: notes.txt is damaged or not an SQLite database"));
  CHECK(file_bytes(scratch.path("notes.txt")) == text);
  const Ended below = lethe_run(scratch, {"run", "sweep.toml", "--db", "notes.txt/lethe.db"});
  CHECK(below.code == 2);
  CHECK_THAT(below.err, StartsWith("error: cannot create the store notes.txt/lethe.db: "));

  CHECK(lethe_run(scratch, {"run", "sweep.toml"}).code == 0);
  SQLite::Database(scratch.path("lethe.db"), SQLite::OPEN_READWRITE)
      .exec("PRAGMA user_version = 70");
  for (const Words& command : {Words{"run", "sweep.toml"},
                               {"report"},
                               {"show", "1"},
                               {"run", "sweep.toml", "--dry-run"}}) {
    const Ended newer = lethe_run(scratch, command);
    CHECK(newer.code == 2);
    CHECK_THAT(newer.err, StartsWith("error: lethe.db has schema version 70, but this Lethe knows "
                                     "versions up to "));
  }
}

TEST_CASE("a truncated data file is refused by file, offset and what was expected") {
  const Scratch scratch;
  write_sweep(scratch, "[1, 2]", kFinetune);
  const std::string bytes = file_bytes(scratch.path("train-images-idx3-ubyte"));
  scratch.write("train-images-idx3-ubyte", bytes.substr(0, bytes.size() - 5));
  const Ended ended = lethe_run(scratch, {"run", "sweep.toml"});
  CHECK(ended.code == 2);
  CHECK(ended.err ==
        "error: sweep.toml:4: ./train-images-idx3-ubyte is cut short: it ends at byte 371, "
        "expected 376 for its shape 60 x 2 x 3\n");
}
