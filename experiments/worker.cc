#include "experiments/worker.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#include "core/build_id.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/refused_memory.h"
#include "core/update.h"
#include "experiments/device_probe.h"
#include "experiments/kept.h"
#include "experiments/progress.h"
#include "experiments/runner.h"
#include "experiments/trial_checkpoint.h"
#include "results/store.h"

namespace lethe {
namespace {

std::atomic<bool> stopping{false};

void stop_soon(int) { stopping = true; }

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

void send(int out, const WorkerNews& news) {
  const std::string line = encode(news) + "\n";
  if (write(out, line.data(), line.size()) < 0) stopping = true;  // the parent is gone
}

/// Ends the worker.
class StoreError : public Error {
 public:
  using Error::Error;
};

class Worker {
 public:
  Worker(const std::vector<Trial>& trials, const WorkSettings& settings, int out)
      : trials_(trials),
        settings_(settings),
        out_(out),
        name_(fmt::format("{}", getpid())),
        store_(settings.db, OpenMode::read_write) {}

  /// False where trials are left that another worker holds.
  bool pass() {
    bool all = true;
    for (size_t index = 0; index < trials_.size() && !stopping; ++index) {
      const TrialRecord record = record_of(trials_[index], settings_);
      const auto id = store_.claim(record, name_, kLease, settings_.retry_before);
      if (id) {
        store_.add_to_sweep(record.key, trials_[index].sweep, trials_[index].label,
                            trials_[index].position);
        run(index, *id, false);
        continue;
      }
      const TrialState state = store_.state(record.key);
      if (state == TrialState::running) all = false;
      if (state == TrialState::done && !keep_again(index, record.key)) all = false;
    }
    return all;
  }

 private:
  /// Runs a finished trial again for the values that it should have kept; false where another
  /// worker does so now.
  bool keep_again(size_t index, const TrialKey& key) {
    if (!trials_[index].keep || tried_.count(index) > 0) return true;
    if (has_kept(store_, settings_.db, key)) return true;
    const auto id = store_.claim_finished(key, name_, kLease);
    if (!id) return false;
    tried_.insert(index);
    run(index, *id, true);
    return true;
  }

  void run(size_t index, int64_t id, bool finished) {
    const Trial& trial = trials_[index];
    WorkerNews news;
    news.trial = static_cast<int64_t>(index);
    news.label = trial.label;
    news.seed = trial.spec.seed;
    news.kind = WorkerNews::Kind::began;
    send(out_, news);
    const auto began = std::chrono::steady_clock::now();
    try {
      RunSettings settings = run_settings(news);
      if (trial.keep)
        settings.keep = kept_path(settings_.db, key_of(trial, settings_.device_class));
      TrialResult result = run_trial(trial, settings);
      news.kind = WorkerNews::Kind::done;
      if (trial.keep) result.artifacts.push_back(kept_artifact(settings.keep));
      finish(id, result, finished, settings.keep);
      remove_checkpoint(settings.checkpoint);
    } catch (const StoreError&) {
      throw;
    } catch (const Interrupted&) {
      give_back(id, finished);
      return;
    } catch (const c10::Error& error) {
      const std::string account = refused_memory();
      fail_trial(id, news, finished,
                 std::string("libtorch: ") + error.what_without_backtrace() +
                     (account.empty() ? "" : "; " + account));
    } catch (const std::exception& error) {
      if (stopping) {
        give_back(id, finished);
        return;
      }
      fail_trial(id, news, finished, error.what());
    }
    news.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    send(out_, news);
  }

  /// A store that can't be written is no fault of the trial: it is given back, to run again.
  void finish(int64_t id, const TrialResult& result, bool finished, const std::string& kept) {
    try {
      if (finished) {
        store_.add_artifact(id, result.artifacts.back(), result.weights_digest);
      } else {
        store_.finish(id, result);
      }
    } catch (const Error& error) {
      if (!kept.empty()) std::remove(kept.c_str());
      try {
        give_back(id, finished);
      } catch (const Error&) {  // then its lease runs out
      }
      throw StoreError(error.what());
    }
  }

  void give_back(int64_t id, bool finished) {
    if (finished) {
      store_.drop_claim(id);
    } else {
      store_.release(id);
    }
  }

  /// A finished trial keeps its results, whatever became of its second run.
  void fail_trial(int64_t id, WorkerNews& news, bool finished, const std::string& error) {
    news.kind = WorkerNews::Kind::failed;
    news.error = error;
    if (finished) {
      store_.drop_claim(id);
    } else {
      store_.fail(id, error);
    }
    remove_checkpoint(checkpoint(static_cast<size_t>(news.trial)));
  }

  void say(WorkerNews news, const std::string& line) {
    news.kind = WorkerNews::Kind::said;
    news.error = line;
    send(out_, news);
  }

  std::string checkpoint(size_t index) const {
    return checkpoint_of(settings_.db, key_of(trials_[index], settings_.device_class));
  }

  RunSettings run_settings(const WorkerNews& start) {
    RunSettings run;
    run.warn = [this, start](const std::string& warning) { say(start, "warning: " + warning); };
    run.device = settings_.device;
    run.registry = settings_.registry;
    run.stop = &stopping;
    run.checkpoint = checkpoint(static_cast<size_t>(start.trial));
    run.progress = [this, news = start](const Progress& progress) mutable {
      news.kind = WorkerNews::Kind::moved;
      news.task = progress.task;
      news.tasks = progress.tasks;
      news.step = progress.step;
      news.steps = progress.steps;
      news.loss = progress.loss;
      news.per_second = progress.per_second;
      news.tokens = progress.tokens;
      news.seconds_left = progress.seconds_left;
      news.phase = progress.phase;
      send(out_, news);
    };
    return run;
  }

  const std::vector<Trial>& trials_;
  const WorkSettings& settings_;
  int out_;
  std::string name_;
  ResultStore store_;
  std::set<size_t> tried_;  // for values to keep
};

}  // namespace

TrialRecord record_of(const Trial& trial, const WorkSettings& settings) {
  TrialRecord record;
  record.key = key_of(trial, settings.device_class);
  record.method = trial.label;
  record.model = trial.model_label;
  record.stream = trial.stream_label;
  record.sweep = trial.sweep;
  record.seed = trial.spec.seed;
  record.environment = {build_id(),   libtorch_version(),       compiler_version(), settings.device,
                        processor(),  at::get_cpu_capability(), git_commit(),       1,
                        settings.jobs};
  return record;
}

int work(const std::vector<Trial>& trials, const WorkSettings& settings, int out) {
  std::signal(SIGINT, stop_soon);
  std::signal(SIGTERM, stop_soon);
  std::signal(SIGPIPE, SIG_IGN);
  install_memory_meter();
  limit_memory(settings.memory);
  if (settings.device == "cpu") hide_gpus();
  at::set_num_threads(1);
  try {
    Worker worker(trials, settings, out);
    while (!worker.pass() && !stopping) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  }
  return 0;
}

}  // namespace lethe
