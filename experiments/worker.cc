#include "experiments/worker.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "core/build_id.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/update.h"
#include "experiments/device_probe.h"
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
      const auto id =
          store_.claim(record, name_, kLease, settings_.retry_failed && tried_.count(index) == 0);
      if (id) {
        tried_.insert(index);
        store_.add_to_sweep(record.key, trials_[index].sweep, trials_[index].label,
                            trials_[index].position);
        run(index, *id);
      } else if (store_.state(record.key) == TrialState::running) {
        all = false;
      }
    }
    return all;
  }

 private:
  void run(size_t index, int64_t id) {
    const Trial& trial = trials_[index];
    WorkerNews news;
    news.trial = static_cast<int64_t>(index);
    news.label = trial.label;
    news.seed = trial.spec.seed;
    news.kind = WorkerNews::Kind::began;
    send(out_, news);
    const auto began = std::chrono::steady_clock::now();
    try {
      const TrialResult result = run_trial(trial, run_settings(id, news));
      news.kind = WorkerNews::Kind::done;
      finish(id, result);
      remove_checkpoint(checkpoint(index));
    } catch (const StoreError&) {
      throw;
    } catch (const Interrupted&) {
      store_.release(id);
      return;
    } catch (const c10::Error& error) {
      fail_trial(id, news, std::string("libtorch: ") + error.what_without_backtrace());
    } catch (const std::exception& error) {
      if (stopping) {
        store_.release(id);
        return;
      }
      fail_trial(id, news, error.what());
    }
    news.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    send(out_, news);
  }

  /// A store that can't be written is no fault of the trial: it is given back, to run again.
  void finish(int64_t id, const TrialResult& result) {
    try {
      store_.finish(id, result);
    } catch (const Error& error) {
      try {
        store_.release(id);
      } catch (const Error&) {  // then its lease runs out
      }
      throw StoreError(error.what());
    }
  }

  void fail_trial(int64_t id, WorkerNews& news, const std::string& error) {
    news.kind = WorkerNews::Kind::failed;
    news.error = error;
    store_.fail(id, error);
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

  RunSettings run_settings(int64_t id, const WorkerNews& start) {
    RunSettings run;
    run.warn = [this, start](const std::string& warning) { say(start, "warning: " + warning); };
    run.device = settings_.device;
    run.registry = settings_.registry;
    run.stop = &stopping;
    run.checkpoint = checkpoint(static_cast<size_t>(start.trial));
    renewed_ = std::chrono::steady_clock::now();
    run.progress = [this, id, news = start](const Progress& progress) mutable {
      const auto now = std::chrono::steady_clock::now();
      if (now - renewed_ > std::chrono::seconds(20)) {
        store_.renew(id, name_, kLease);
        renewed_ = now;
      }
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
  std::set<size_t> tried_;
  std::chrono::steady_clock::time_point renewed_{};
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
