// Several processes on one store: claims, leases, deaths.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "tests/store_fixture.h"

namespace lethe {
namespace {

/// Runs `work` in a process of its own, which ends without unwinding the test; its id.
pid_t start_process(const std::function<void()>& work) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  int status = 0;
  try {
    work();
  } catch (...) {
    status = 1;
  }
  _exit(status);
}

/// The wait status: 0 for a process that ended well.
int end_of(pid_t pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("processes that claim the same trials run each exactly once", "[store]") {
  const StoreFolder folder;
  const auto work = [&](const std::string& worker) {
    // The file does not exist yet: creating it is part of the race.
    ResultStore store(folder.file(), OpenMode::read_write);
    for (int64_t n = 1; n <= 20; ++n) {
      const std::optional<int64_t> id = store.claim(asked(n), worker, 60);
      if (!id) continue;
      TrialResult result = two_tasks();
      result.artifacts.push_back({worker, std::to_string(n)});
      store.finish(*id, result);
    }
  };
  std::vector<pid_t> processes;
  for (const char* worker : {"a", "b", "c"}) {
    processes.push_back(start_process([&] { work(worker); }));
  }
  for (const pid_t process : processes) CHECK(end_of(process) == 0);

  const ResultStore store(folder.file(), OpenMode::read_only);
  const std::vector<TrialRecord> records = store.load({});
  CHECK(records.size() == 20);
  std::map<int64_t, int> runs;
  for (const TrialRecord& record : records) {
    ++runs[record.seed];
    CHECK(record.result.evaluations.size() == 6);
    CHECK(record.result.artifacts.size() == 1);
  }
  CHECK(runs.size() == 20);
}

TEST_CASE("a worker killed inside a trial costs that trial only, until its lease ends", "[store]") {
  const StoreFolder folder;
  const pid_t worker = start_process([&] {
    ResultStore store(folder.file(), OpenMode::read_write);
    store_trial(store, asked(1), two_tasks());
    store.claim(asked(2), "dies", 0.2);
    kill(getpid(), SIGKILL);
  });
  CHECK(WTERMSIG(end_of(worker)) == SIGKILL);

  ResultStore store(folder.file(), OpenMode::read_write);
  CHECK(store.load({}).size() == 1);
  CHECK(store.find("1").result.evaluations.size() == 6);
  usleep(250000);
  CHECK(store.state(asked(2).key) == TrialState::missing);
  CHECK(store.claim(asked(2), "heir", 60) == 2);
  CHECK(store.state(asked(2).key) == TrialState::running);
  store.finish(2, two_tasks());
  CHECK(store.load({}).size() == 2);
}

TEST_CASE("a renewed lease holds and a lost one cannot be renewed", "[store]") {
  const StoreFolder folder;
  ResultStore first(folder.file(), OpenMode::read_write);
  ResultStore second(folder.file(), OpenMode::read_write);
  const int64_t id = first.claim(asked(1), "w1", 0).value();
  CHECK(first.renew(asked(1).key, "w1", 60));
  CHECK_FALSE(second.claim(asked(1), "w2", 60).has_value());
  CHECK(first.renew(asked(1).key, "w1", 0));
  CHECK(second.claim(asked(1), "w2", 60) == id);
  CHECK_FALSE(first.renew(asked(1).key, "w1", 60));
  CHECK_FALSE(first.renew(asked(2).key, "w1", 60));
  first.fail(id, "an error of the worker that lost the trial");
  CHECK(second.state(asked(1).key) == TrialState::running);
  CHECK(second.renew(asked(1).key, "w2", 60));
  first.release(id);
  CHECK(second.state(asked(1).key) == TrialState::running);
  second.release(id);
  CHECK(second.state(asked(1).key) == TrialState::missing);
}

TEST_CASE("of two runs of one trial the first result stays, and a difference is told", "[store]") {
  const StoreFolder folder;
  ResultStore first(folder.file(), OpenMode::read_write);
  ResultStore second(folder.file(), OpenMode::read_write);
  const int64_t id = first.claim(asked(1), "w1", 0).value();
  CHECK(second.claim(asked(1), "w2", 60) == id);
  first.finish(id, two_tasks());
  second.finish(id, two_tasks());
  TrialResult other = two_tasks();
  other.weights_digest = "v";
  CHECK_THROWS_WITH(second.finish(id, other),
                    "trial 1 in " + folder.file() +
                        " is already finished with weights w, and ran again to weights v; the "
                        "first result stays: find out why the two runs differ");
  second.fail(id, "too late");
  CHECK(first.state(asked(1).key) == TrialState::done);
  CHECK(first.find("1").result.evaluations.size() == 6);
}

TEST_CASE("a reader never sees half a trial", "[store]") {
  const StoreFolder folder;
  { ResultStore store(folder.file(), OpenMode::read_write); }
  const pid_t writer = start_process([&] {
    ResultStore store(folder.file(), OpenMode::read_write);
    for (int64_t n = 1; n <= 40; ++n) store_trial(store, asked(n), two_tasks());
  });
  const ResultStore store(folder.file(), OpenMode::read_only);
  size_t seen = 0;
  int halves = 0;
  while (seen < 40 && kill(writer, 0) == 0) {
    const std::vector<TrialRecord> records = store.load({.finished_only = false});
    seen = 0;
    for (const TrialRecord& record : records) {
      const bool done = record.status == "done";
      seen += done;
      halves += record.result.evaluations.size() != (done ? 6U : 0U);
    }
    if (waitpid(writer, nullptr, WNOHANG) == writer) break;
  }
  CHECK(halves == 0);
  waitpid(writer, nullptr, 0);
  CHECK(store.load({}).size() == 40);
}

}  // namespace lethe
