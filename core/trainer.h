// The parts of train(): one trial's state while it runs.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/sampler.h"
#include "core/train.h"

namespace lethe {

/// Wall and CPU seconds by phase.
class Clock {
 public:
  explicit Clock(TrialResult& result) : result_(result) {}
  /// Adds what `work` took to phase `phase`, whose memory phase has the same name.
  void time(const std::string& phase, const std::function<void()>& work);
  Timing& phase(const std::string& name);

 private:
  TrialResult& result_;
};

class Trainer {
 public:
  explicit Trainer(const TrainRequest& request);
  TrialResult run();

 private:
  void prepare();
  void adapt(int64_t task);
  void measure(int64_t after_task);
  void keep_samples(int64_t after_task);
  void learn(int64_t task);
  void close(int64_t task);
  void open_moments();
  /// Steps until `steps` are done, or epochs until the validation loss stops improving.
  void train_steps(int64_t task, const TrainingPlan& plan, Sampler& sampler);
  bool improving(const TrainingPlan& plan, double& best, int64_t& waited);
  void one_step(int64_t task, Sampler& sampler, double lr_factor);
  double forward_backward(int64_t task, const Batch& batch, double share, Tensor& logits);
  double move_values(double lr_factor, double& norm);
  void note(int64_t task, double loss, double penalty, double lr, double norm);
  void tell(int64_t task, int64_t done, int64_t steps, double loss);
  int64_t restore();
  void save(int64_t task);

  const TrainRequest& request_;
  const TrainOptions& options_;
  Model& model_;
  TaskStream& stream_;
  std::vector<std::unique_ptr<Strategy>>& strategies_;
  Arena arena_;
  Twin first_, second_;
  bool has_first_ = false, has_second_ = false;
  int64_t step_ = 0;       // over the trial
  int64_t bias_step_ = 0;  // since the moments were zeroed
  int64_t task_step_ = 0, task_steps_ = 0;
  double extra_ = 0;  // extra losses of the present step
  TrialResult result_;
  Clock clock_;
  std::chrono::steady_clock::time_point told_{}, began_{};
};

}  // namespace lethe
