// `lethe tune` as a user runs it: search, resume, the written sweep, exit codes.
#include <catch2/catch.hpp>

#include "tests/program.h"

using Catch::Contains;
using Catch::StartsWith;
using Words = std::vector<std::string>;

namespace {

const std::string kSpaces =
    kFinetune + kEwc + "tune.ewc.lambda = [1, 10]\ntune.train.lr = [0.01, 1e30]\n";

}  // namespace

TEST_CASE("a search runs, is continued, and writes a sweep that runs") {
  const Scratch scratch;
  write_sweep(scratch, "[1, 2]", kSpaces);
  const Ended dry = lethe_run(scratch, {"tune", "sweep.toml", "--dry-run"});
  CHECK(dry.code == 0);
  const std::string form = "to run   split validation=2 (validation rows) | mlp width=8 | ewc ";
  CHECK(dry.out == form + "ewc.lambda=1 train.lr=0.01 | seed 0\n" + form +
                       "ewc.lambda=1 train.lr=1e+30 | seed 0\n" + form +
                       "ewc.lambda=10 train.lr=0.01 | seed 0\n" + form +
                       "ewc.lambda=10 train.lr=1e+30 | seed 0\n4 trials, 0 done\n");
  CHECK(scratch.files() == 6 + 1);  // the set, the sweep, what this run said; no store

  const Ended first = lethe_run(scratch, {"tune", "sweep.toml", "--jobs", "2"});
  CHECK(first.code == 0);
  CHECK_THAT(first.out, Contains("\newc | split validation=2 (validation rows) | mlp width=8: 4 "
                                 "candidates, grid search, seed 0, by final_average (higher is "
                                 "better)\n  ewc.lambda  train.lr  final_average  trial\n"));
  CHECK_THAT(first.out, Contains("1e+30     -              ") &&
                            Contains(" not chosen: failed: the loss of task "));
  CHECK_THAT(first.out, Contains("\n2 trials finished, 2 failed, 0 were there before; store: "
                                 "lethe.db\ntuned sweep: sweep.tuned.toml\n"));
  const std::string written = file_bytes(scratch.path("sweep.tuned.toml"));
  CHECK_THAT(written, Contains("\ntrain.lr = 0.01\n") && Contains("\nseeds = [1, 2]\n"));

  const Ended second = lethe_run(scratch, {"tune", "sweep.toml", "-o", "again/other.toml"});
  CHECK(second.code == 0);
  CHECK_THAT(second.out, Contains("0 trials finished, 0 failed, 4 were there before (2 of them "
                                  "failed; --retry-failed tries again)"));
  CHECK_THAT(file_bytes(scratch.path("again/other.toml")), Contains("\ndata = \"..\"\n"));

  const Ended run = lethe_run(scratch, {"run", "again/other.toml"});
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Contains("4 trials finished, 0 failed, 0 were there before"));
  CHECK_THAT(run.out, StartsWith("\nsplit validation=2 | mlp width=8 | cpu (mean"));
}

TEST_CASE("the search scores validation rows, and keeps its trials apart") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kEwc + "tune.ewc.lambda = [1]\n");
  CHECK(lethe_run(scratch, {"tune", "sweep.toml", "--set", "stream.validation=3"}).code == 0);
  const std::string tuned = lethe_run(scratch, {"report", "--format", "csv"}).out;
  CHECK_THAT(tuned, Contains("split validation=3 (validation rows)"));
  const std::string shown = lethe_run(scratch, {"show", "1"}).out;
  CHECK_THAT(shown, Contains("train.evaluate = validation"));
  CHECK_THAT(shown, Contains("seed 0\nstatus done"));
}

TEST_CASE("a method without any finished candidate is named, and no sweep is written") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kEwc + "tune.train.lr = [1e30]\n");
  const Ended ended = lethe_run(scratch, {"tune", "sweep.toml", "-o", "out.toml"});
  CHECK(ended.code == 1);
  CHECK_THAT(ended.err,
             Contains("error: ewc | split validation=2 (validation rows) | mlp width=8: none of 1 "
                      "candidates has a final_average; the first: failed: the loss of task ") &&
                 Contains("error: no tuned sweep is written"));
  CHECK_FALSE(std::filesystem::exists(scratch.path("out.toml")));
}

TEST_CASE("wrong usage of tune has exit code 2, says what is wrong and runs nothing") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kSpaces);
  const std::vector<std::pair<Words, std::string>> wrong = {
      {{"tune"}, "sweep is required"},
      {{"tune", "sweep.toml", "--budget", "0"}, "--budget"},
      {{"tune", "sweep.toml", "--search", "bayes"}, "--search"},
      {{"tune", "sweep.toml", "--seed", "1"}, "error: the search's seed 1 is one of the sweep's"},
      {{"tune", "sweep.toml", "-o", "./sweep.toml"}, "error: ./sweep.toml is the sweep itself; "}};
  check_refused(scratch, wrong);
  CHECK_FALSE(std::filesystem::exists(scratch.path("lethe.db")));
  const Ended help = lethe_run(scratch, {"tune", "--help"});
  CHECK(help.code == 0);
  for (const char* word :
       {"sweep", "--db", "--jobs", "--search", "--budget", "--objective", "--seed", "--output",
        "--set", "--plugin", "--dry-run", "Example: lethe tune"}) {
    CHECK_THAT(help.out, Contains(word));
  }
}
