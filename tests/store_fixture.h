// A store in a folder of its own that goes away with the test, and trials to put into it.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "core/trial.h"
#include "results/store.h"

namespace lethe {

class StoreFolder {
 public:
  StoreFolder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("lethe-store-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~StoreFolder() { std::filesystem::remove_all(path_); }
  StoreFolder(const StoreFolder&) = delete;
  StoreFolder& operator=(const StoreFolder&) = delete;

  std::string file(const std::string& name = "lethe.db") const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// What a sweep would ask the store to claim: trial number `n` of a build.
inline TrialRecord asked(int64_t n, const std::string& build = "b1") {
  TrialRecord trial;
  trial.key = {"method = ewc\nseed = " + std::to_string(n), build, "cpu"};
  trial.method = "ewc";
  trial.model = "mlp";
  trial.stream = "split_mnist";
  trial.seed = n;
  trial.environment.build = build;
  return trial;
}

/// R[after][on] of a counted metric.
inline Evaluation counted(int64_t after, int64_t on, int64_t correct, int64_t total) {
  Evaluation cell;
  cell.after_task = after;
  cell.step = 10 * after;
  cell.on_task = on;
  cell.task = "task " + std::to_string(on);
  cell.metric = {"accuracy", "fraction", true};
  cell.correct = correct;
  cell.total = total;
  cell.sum = static_cast<double>(correct);
  return cell;
}

/// Two tasks, R = [[1/2, 1/4], [1, 1/4], [1/2, 3/4]], rows 0 to 2.
inline TrialResult two_tasks() {
  TrialResult result;
  result.task_names = {"task 1", "task 2"};
  result.weights_digest = "w";
  result.penalties = {{"ewc", "Fisher, exact labels", "n", true, "own of each task"}};
  result.evaluations = {counted(0, 1, 2, 4), counted(0, 2, 1, 4), counted(1, 1, 4, 4),
                        counted(1, 2, 1, 4), counted(2, 1, 2, 4), counted(2, 2, 3, 4)};
  return result;
}

/// Claims and finishes a trial; its id.
inline int64_t store_trial(ResultStore& store, const TrialRecord& trial,
                           const TrialResult& result) {
  const int64_t id = store.claim(trial, "w", 60).value();
  store.finish(id, result);
  return id;
}

}  // namespace lethe
