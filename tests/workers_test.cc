// Sweeps as processes: the same weights whatever the workers, and nothing lost when they stop.
#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "core/error.h"
#include "results/store.h"
#include "tests/program.h"

using Catch::Contains;
using lethe::OpenMode;
using lethe::ResultStore;
using lethe::TrialRecord;

namespace {

std::vector<TrialRecord> stored(const Scratch& scratch, const std::string& db = "lethe.db") {
  const ResultStore store(scratch.path(db), OpenMode::read_only);
  return store.load({.finished_only = false});
}

std::map<std::string, std::string> weights(const Scratch& scratch, const std::string& db) {
  std::map<std::string, std::string> found;
  for (const TrialRecord& trial : stored(scratch, db)) {
    found[trial.key.text] = trial.result.weights_digest;
  }
  return found;
}

int64_t count(const std::vector<TrialRecord>& trials, const std::string& status) {
  return std::count_if(trials.begin(), trials.end(),
                       [&](const TrialRecord& trial) { return trial.status == status; });
}

/// Waits until a worker holds a trial and the main process has been told so; its store may not be
/// there yet.
void wait_for_running(const Scratch& scratch) {
  for (int turn = 0; turn < 6000; ++turn) {
    try {
      if (count(stored(scratch), "running") > 0) break;
    } catch (const lethe::Error&) {
    }
    usleep(10000);
  }
  usleep(100000);
}

const std::string kSeeds = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]";
/// Never ends by itself.
const std::string kEndless = kFinetune + "train.steps = 1000000000\n";

}  // namespace

TEST_CASE("final weights are the same for one worker, for two, and after an interruption") {
  const Scratch scratch;
  write_sweep(scratch, kSeeds, kFinetune + kEwc);
  CHECK(lethe_run(scratch, {"run", "sweep.toml", "--db", "one.db", "--jobs", "1"}).code == 0);
  CHECK(lethe_run(scratch, {"run", "sweep.toml", "--db", "two.db", "--jobs", "2"}).code == 0);
  const auto one = weights(scratch, "one.db");
  CHECK(one.size() == 30);
  CHECK(one == weights(scratch, "two.db"));
  std::set<std::string> different;
  for (const auto& [text, digest] : one) different.insert(digest);
  CHECK(different.size() == 30);

  const std::vector<std::string> command = {"run", "sweep.toml", "--jobs", "1"};
  Program first(scratch, command);
  REQUIRE(first.says("done in", 2));
  first.signal(SIGINT);
  const Ended interrupted = first.end();
  CHECK(interrupted.code == 130);
  CHECK_THAT(interrupted.err,
             Contains("stopping: finished trials stay; press Ctrl-C again to kill\n"));
  const auto kept = stored(scratch);
  CHECK(kept.size() >= 2);
  CHECK(kept.size() < 30);
  CHECK(count(kept, "done") == static_cast<int64_t>(kept.size()));

  const Ended rest = lethe_run(scratch, command);
  CHECK(rest.code == 0);
  CHECK_THAT(rest.out, Contains(std::to_string(30 - kept.size()) + " trials finished, 0 failed, " +
                                std::to_string(kept.size()) + " were there before"));
  CHECK(weights(scratch, "lethe.db") == one);
}

TEST_CASE("a trial stopped within a task continues there and ends with the same weights") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kEwc + "train.steps = 6000\n");
  CHECK(lethe_run(scratch, {"run", "sweep.toml", "--db", "one.db"}).code == 0);
  const std::vector<std::string> command = {"run", "sweep.toml"};
  Program run(scratch, command);
  wait_for_running(scratch);
  run.signal(SIGTERM);
  REQUIRE(run.end().code == 130);
  CHECK(stored(scratch).empty());
  const std::string folder = scratch.path("lethe.db.checkpoints");
  REQUIRE(std::filesystem::exists(folder));
  CHECK_FALSE(std::filesystem::is_empty(folder));
  CHECK(lethe_run(scratch, command).code == 0);
  CHECK(weights(scratch, "lethe.db") == weights(scratch, "one.db"));
  CHECK_FALSE(std::filesystem::exists(folder));
  CHECK_FALSE(std::filesystem::exists(scratch.path("one.db.checkpoints")));
}

TEST_CASE("SIGTERM within a trial keeps the finished ones and gives back the one under way") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kEwc + kEndless);
  Program run(scratch, {"run", "sweep.toml", "--jobs", "1"});
  REQUIRE(run.says("done in"));
  wait_for_running(scratch);
  run.signal(SIGTERM);
  const Ended ended = run.end();
  CHECK(ended.code == 130);
  CHECK_THAT(ended.err, Contains("stopping: finished trials stay; press Ctrl-C again to kill\n"));
  CHECK_THAT(ended.out, Contains("1 trials finished, 0 failed, 0 were there before"));
  const auto left = stored(scratch);
  REQUIRE(left.size() == 1);
  CHECK(left[0].method == "ewc");
  CHECK(left[0].status == "done");
}

TEST_CASE("SIGTERM reaches the process that pretrains") {
  const Scratch scratch;
  scratch.write(
      "sweep.toml",
      "[model]\nwidth = 4\nheads = 1\nlayers = 1\npretrain_steps = 100000000\n" + kFinetune);
  Program run(scratch, {"run", "sweep.toml", "--jobs", "1"});
  wait_for_running(scratch);
  run.signal(SIGTERM);
  const Ended ended = run.end();
  CHECK(ended.code == 130);
  CHECK_THAT(ended.err, Contains("stopping: finished trials stay; press Ctrl-C again to kill\n"));
  CHECK(stored(scratch).empty());
}

TEST_CASE("a second signal kills a worker that does not stop, and its trial is given back") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kEwc + kEndless);
  Program run(scratch, {"run", "sweep.toml", "--jobs", "1"});
  REQUIRE(run.says("done in"));
  wait_for_running(scratch);
  const auto workers = children_of(run.process());
  REQUIRE(workers.size() == 1);
  kill(workers[0], SIGSTOP);
  run.signal(SIGINT);
  REQUIRE(run.says("stopping"));
  CHECK(count(stored(scratch), "running") == 1);
  run.signal(SIGINT);
  CHECK(run.end().code == 130);
  REQUIRE(stored(scratch).size() == 1);
  CHECK(stored(scratch)[0].status == "done");
}

TEST_CASE("a worker that dies costs its trial, and another goes on") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kEndless + kEwc);
  Program run(scratch, {"run", "sweep.toml", "--jobs", "1"});
  wait_for_running(scratch);
  kill(children_of(run.process()).at(0), SIGKILL);
  const Ended ended = run.end();
  CHECK(ended.code == 1);
  const std::string error =
      "the worker died of signal 9 (Killed); 'Killed' most often means out of memory";
  CHECK_THAT(ended.err, Contains("[1/2] finetune seed 1 failed: " + error + "\n") &&
                            Contains("[2/2] ewc seed 1 done in "));
  CHECK_THAT(ended.out, Contains("1 trials finished, 1 failed, 0 were there before"));
  const auto trials = stored(scratch);
  REQUIRE(trials.size() == 2);
  CHECK(trials[0].status == "failed");
  CHECK(trials[0].error == error);
  CHECK(trials[1].status == "done");
}

TEST_CASE("a trial that needs more than --memory fails with its account, and the sweep goes on") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune + "model.width = 1500\n" + kEwc);
  const Ended ended =
      lethe_run(scratch, {"run", "sweep.toml", "--jobs", "1", "--memory", "8MiB", "--quiet"});
  CHECK(ended.code == 1);
  const auto trials = stored(scratch);
  REQUIRE(trials.size() == 2);
  CHECK(trials[0].status == "failed");
  CHECK_THAT(trials[0].error, Contains("out of memory: ") &&
                                  Contains(" MiB were asked for in phase '") &&
                                  Contains("live then, in MiB: base weights ") &&
                                  Contains("lower train.batch or set train.levers"));
  CHECK_THAT(ended.err, Contains(trials[0].error));
  CHECK(trials[1].status == "done");
  const Ended wrong = lethe_run(scratch, {"run", "sweep.toml", "--memory", "lots"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, Contains("lots"));
}

TEST_CASE("a loss that is no number fails the trial with its step, and the sweep goes on") {
  const Scratch scratch;
  write_sweep(scratch, "[1]", kFinetune + "train.optimizer = \"sgd\"\ntrain.lr = 1e38\n" + kEwc);
  const std::vector<std::string> command = {"run", "sweep.toml", "--jobs", "1"};
  const Ended ended = lethe_run(scratch, command);
  CHECK(ended.code == 1);
  const auto trials = stored(scratch);
  REQUIRE(trials.size() == 2);
  CHECK(trials[0].error ==
        "the loss of task 1 ('4/2') is nan at step 2; lower the learning rate or the strengths, or "
        "set train.clip");
  CHECK_THAT(ended.err, Contains("finetune seed 1 failed: " + trials[0].error));
  CHECK(trials[1].status == "done");
  CHECK_THAT(ended.out, Contains("1 trials finished, 1 failed"));

  const Ended again = lethe_run(scratch, command);
  CHECK(again.code == 1);
  CHECK_THAT(again.out, Contains("0 trials finished, 0 failed, 2 were there before (1 of them "
                                 "failed; --retry-failed tries again)"));
  const Ended retried = lethe_run(scratch, {"run", "sweep.toml", "--retry-failed", "--quiet"});
  CHECK(retried.out.empty());
  CHECK(retried.err == "[1/1] finetune seed 1 failed: " + trials[0].error + "\n");
}

TEST_CASE("each failed trial is retried once, whatever the workers") {
  const Scratch scratch;
  write_sweep(scratch, "[1, 2, 3, 4]", kFinetune + "train.optimizer = \"sgd\"\ntrain.lr = 1e38\n");
  CHECK(lethe_run(scratch, {"run", "sweep.toml"}).code == 1);
  const Ended ended = lethe_run(scratch, {"run", "sweep.toml", "--retry-failed", "--jobs", "3"});
  CHECK(ended.code == 1);
  CHECK_THAT(ended.out, Contains("0 trials finished, 4 failed, 0 were there before;"));
}

TEST_CASE("rows that tasks share are warned of once a sweep, whatever its trials") {
  const Scratch scratch;
  const auto rows = [](int first, int last) {
    std::string csv = "sentence,label\n";
    for (int row = first; row < last; ++row) csv += "line " + std::to_string(row) + ",good\n";
    return csv;
  };
  scratch.write("train.csv", rows(0, 10));
  scratch.write("validation.csv", rows(20, 23));
  scratch.write("test.csv", rows(8, 12));
  scratch.write("sweep.toml", R"(
seeds = [1, 2]
[stream]
name = "text"
[[stream.task]]
name = "films"
train = "train.csv"
validation = "validation.csv"
test = "test.csv"
prompt = "{sentence}:"
[model]
width = 4
layers = 1
heads = 1
pretrain_steps = 0
[train]
steps = 1
batch = 2
[[method]]
name = "finetune"
)");
  const Ended ended = lethe_run(scratch, {"run", "sweep.toml", "--jobs", "2"});
  CHECK(ended.code == 0);
  const std::string warning =
      "warning: task 'films': 2 of 4 test rows also stand among the training rows of task 'films'; "
      "scores on them measure memory\n";
  const size_t at = ended.err.find(warning);
  REQUIRE(at != std::string::npos);
  CHECK(ended.err.find("warning", at + 1) == std::string::npos);
}

TEST_CASE("where the store cannot grow the finished trials stay, and the command goes on later") {
  const Scratch scratch;
  write_sweep(scratch, kSeeds, kFinetune + kEwc);
  const std::vector<std::string> command = {"run", "sweep.toml", "--jobs", "1"};
  const Ended full = lethe_run(scratch, command, 500000);
  CHECK(full.code == 1);
  CHECK_THAT(full.err, Contains("the disk refused to read or write the store lethe.db while ") &&
                           Contains("the finished trials in it are as they were: check the disk"));
  const auto kept = count(stored(scratch), "done");
  CHECK(kept > 0);
  CHECK(kept < 30);
  // In place of the two minutes after which a dead worker gives its trial up.
  SQLite::Database(scratch.path("lethe.db"), SQLite::OPEN_READWRITE)
      .exec("UPDATE claim SET lease_ends = 0");
  CHECK(lethe_run(scratch, command).code == 0);
  CHECK(count(stored(scratch), "done") == 30);
}
