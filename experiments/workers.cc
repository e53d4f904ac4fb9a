#include "experiments/workers.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>

#include "core/build_id.h"
#include "core/error.h"
#include "experiments/kept.h"
#include "experiments/progress.h"
#include "experiments/worker.h"
#include "results/store.h"

namespace lethe {
namespace {

volatile std::sig_atomic_t signals = 0;
void count_signal(int) { signals = signals + 1; }

/// Catches SIGINT and SIGTERM while it lives.
class SignalCount {
 public:
  SignalCount() {
    signals = 0;
    struct sigaction action {};
    action.sa_handler = count_signal;
    sigaction(SIGINT, &action, &interrupt_);
    sigaction(SIGTERM, &action, &terminate_);
  }
  ~SignalCount() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  SignalCount(const SignalCount&) = delete;
  SignalCount& operator=(const SignalCount&) = delete;

 private:
  struct sigaction interrupt_ {
  }, terminate_{};
};

class Crew {
 public:
  Crew(const std::vector<Trial>& trials, const WorkSettings& settings, int64_t left)
      : trials_(trials), settings_(settings), view_(isatty(2) != 0, settings.quiet, left) {}

  void say(const std::string& line) { view_.say(line); }

  WorkOutcome run(int jobs) {
    const SignalCount catching;
    for (int slot = 0; slot < jobs; ++slot) start(slot);
    int forwarded = 0;
    while (!members_.empty()) {
      wait_for_news();
      renew_leases();
      if (signals > forwarded) {
        forwarded = signals;
        if (forwarded == 1) view_.say("stopping: finished trials stay; press Ctrl-C again to kill");
        for (const auto& [fd, member] : members_)
          kill(member.process, forwarded == 1 ? SIGTERM : SIGKILL);
      }
    }
    outcome_.interrupted = forwarded > 0;
    return outcome_;
  }

 private:
  struct Member {
    int slot = 0;
    pid_t process = 0;
    std::string pending;  // bytes of a line not yet whole
    int64_t trial = -1;   // under way
  };

  void start(int slot) {
    int ends[2];
    if (pipe(ends) != 0) fail("no pipe to a worker: {}", std::strerror(errno));
    std::fflush(nullptr);
    const pid_t process = fork();
    if (process < 0) fail("no worker process could be made: {}", std::strerror(errno));
    if (process == 0) {
      close(ends[0]);
      for (const auto& [fd, member] : members_) close(fd);
      _exit(work(trials_, settings_, ends[1]));
    }
    close(ends[1]);
    members_[ends[0]] = {slot, process, "", -1};
  }

  void wait_for_news() {
    std::vector<pollfd> ready;
    for (const auto& [fd, member] : members_) ready.push_back({fd, POLLIN, 0});
    if (poll(ready.data(), ready.size(), 500) <= 0) return;
    for (const pollfd& one : ready) {
      if (one.revents != 0) read_from(one.fd);
    }
  }

  /// Here and not in the workers, which may be busy with a starting model for minutes.
  void renew_leases() {
    const auto now = std::chrono::steady_clock::now();
    if (now - renewed_ < std::chrono::seconds(20)) return;
    renewed_ = now;
    try {
      ResultStore store(settings_.db, OpenMode::read_write);
      for (const auto& [fd, member] : members_) {
        if (member.trial < 0) continue;
        store.renew(key_of(trials_[static_cast<size_t>(member.trial)], settings_.device_class),
                    std::to_string(member.process), kLease);
      }
    } catch (const Error& error) {  // the next turn may succeed: a lease lasts several
      view_.say(fmt::format("warning: {}", error.what()));
    }
  }

  void read_from(int fd) {
    char block[4096];
    const ssize_t got = read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
      ended(fd);
      return;
    }
    Member& member = members_.at(fd);
    member.pending.append(block, static_cast<size_t>(got));
    for (size_t end; (end = member.pending.find('\n')) != std::string::npos;) {
      take(member, decode(member.pending.substr(0, end)));
      member.pending.erase(0, end + 1);
    }
  }

  void take(Member& member, const WorkerNews& news) {
    using Kind = WorkerNews::Kind;
    member.trial = news.kind == Kind::done || news.kind == Kind::failed ? -1 : news.trial;
    if (news.kind == Kind::done) ++outcome_.done;
    if (news.kind == Kind::failed) ++outcome_.failed;
    view_.tell(member.slot, news);
  }

  void ended(int fd) {
    const Member member = members_.at(fd);
    close(fd);
    members_.erase(fd);
    int status = 0;
    while (waitpid(member.process, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && signals == 0) {
      lost(member, WTERMSIG(status));
    } else if (WIFSIGNALED(status) && member.trial >= 0) {
      end_trial(trials_[static_cast<size_t>(member.trial)],
                [](ResultStore& store, int64_t id) { store.release(id); });
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
      fatal_ = true;
      ++outcome_.failed;
    }
  }

  /// A worker died of a signal: its trial fails with that, the sweep goes on with a new worker.
  void lost(const Member& member, int signal) {
    if (member.trial < 0)
      fail("a worker died of signal {} ({}) between trials", signal, strsignal(signal));
    const Trial& trial = trials_[static_cast<size_t>(member.trial)];
    WorkerNews news;
    news.kind = WorkerNews::Kind::failed;
    news.label = trial.label;
    news.seed = trial.spec.seed;
    news.error =
        fmt::format("the worker died of signal {} ({}); 'Killed' most often means out of memory",
                    signal, strsignal(signal));
    end_trial(trial, [&](ResultStore& store, int64_t id) { store.fail(id, news.error); });
    ++outcome_.failed;
    view_.tell(member.slot, news);
    if (!fatal_) start(member.slot);
  }

  /// Ends a trial in the store for a worker that no longer can.
  void end_trial(const Trial& trial, const std::function<void(ResultStore&, int64_t)>& end) {
    ResultStore store(settings_.db, OpenMode::read_write);
    const TrialKey key = key_of(trial, settings_.device_class);
    for (const TrialRecord& record : store.load({key.build, key.device_class, "", false})) {
      if (record.key.text == key.text) end(store, record.id);
    }
  }

  const std::vector<Trial>& trials_;
  const WorkSettings& settings_;
  ProgressView view_;
  WorkOutcome outcome_;
  std::map<int, Member> members_;  // by the pipe's end
  bool fatal_ = false;
  std::chrono::steady_clock::time_point renewed_ = std::chrono::steady_clock::now();
};

/// Not done, or done without the values that it should have kept.
bool is_missing(const ResultStore& store, const Trial& trial, const WorkSettings& settings,
                TrialState state) {
  if (state != TrialState::done) return true;
  return trial.keep && !has_kept(store, settings.db, key_of(trial, settings.device_class));
}

bool is_to_run(const ResultStore& store, const Trial& trial, const WorkSettings& settings,
               TrialState state) {
  const bool left_failed = state == TrialState::failed && settings.retry_before == 0;
  return !left_failed && is_missing(store, trial, settings, state);
}

/// Of the trials those that `wanted` says; all where there is no store yet.
std::vector<Trial> chosen(const std::vector<Trial>& trials, const WorkSettings& settings,
                          bool (*wanted)(const ResultStore&, const Trial&, const WorkSettings&,
                                         TrialState)) {
  if (!std::filesystem::exists(settings.db)) return trials;
  const ResultStore store(settings.db, OpenMode::read_write);
  std::vector<Trial> found;
  for (const Trial& trial : trials) {
    const TrialState state = store.state(key_of(trial, settings.device_class));
    if (wanted(store, trial, settings, state)) found.push_back(trial);
  }
  return found;
}

}  // namespace

TrialKey key_of(const Trial& trial, const std::string& device_class) {
  return {canonical_text(trial.spec), build_id(), device_class};
}

std::vector<Trial> missing_trials(const std::vector<Trial>& trials, const WorkSettings& settings) {
  return chosen(trials, settings, is_missing);
}

std::vector<Trial> trials_to_run(const std::vector<Trial>& trials, const WorkSettings& settings) {
  return chosen(trials, settings, is_to_run);
}

WorkOutcome run_trials(const std::vector<Trial>& trials, const WorkSettings& settings) {
  int64_t left = 0, held = 0, failed = 0;
  bool keep = false;
  {
    ResultStore store(settings.db, OpenMode::read_write);
    for (const Trial& trial : trials) {
      const TrialState state = store.state(key_of(trial, settings.device_class));
      if (state == TrialState::failed && settings.retry_before == 0) ++failed;
      if (state == TrialState::running) ++held;
      if (is_to_run(store, trial, settings, state)) ++left;
      keep = keep || trial.keep;
      if (state != TrialState::missing) {
        store.add_to_sweep(key_of(trial, settings.device_class), trial.sweep, trial.label,
                           trial.position);
      }
    }
  }  // no connection is carried across a fork
  const auto total = static_cast<int64_t>(trials.size());
  if (left == 0) return {0, 0, total, failed, false};
  if (keep) make_kept_folder(settings.db);
  Crew crew(trials, settings, left);
  if (held > 0) {
    crew.say(
        fmt::format("{} trials are with another process; one that died gives them up after "
                    "at most {:.0f} s",
                    held, kLease));
  }
  WorkOutcome outcome = crew.run(static_cast<int>(std::min<int64_t>(settings.jobs, left)));
  outcome.skipped = total - left;
  outcome.failed_before = failed;
  return outcome;
}

}  // namespace lethe
