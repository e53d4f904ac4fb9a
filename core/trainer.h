// The parts of train(): one trial's state while it runs.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/backward_update.h"
#include "core/moments.h"
#include "core/offloaded_activations.h"
#include "core/plan/request.h"
#include "core/range_update.h"
#include "core/sampler.h"
#include "core/train.h"

namespace lethe {

/// Processor time of this process and of its finished children, which train what is cached.
double cpu_seconds();

/// Wall and CPU seconds by phase.
class Clock {
 public:
  /// `device` is waited for where a phase ends.
  explicit Clock(TrialResult& result, const at::Device& device = at::Device(at::kCPU))
      : result_(result), device_(device) {}
  /// Adds what `work` took to phase `phase`, whose memory phase has the same name. Phases may nest:
  /// every second belongs to the innermost, so that seconds of phases add up.
  void time(const std::string& phase, const std::function<void()>& work);
  Timing& phase(const std::string& name);
  void add(const Timing& more);

 private:
  void enter(const std::string& name);

  TrialResult& result_;
  at::Device device_;
  std::string current_;        // empty outside of phases
  double wall_ = 0, cpu_ = 0;  // when it began or was come back to
};

class Trainer {
 public:
  explicit Trainer(const TrainRequest& request);
  TrialResult run();
  void check();  ///< see check_trial()

 private:
  void prepare();
  void adapt(int64_t task);
  void narrow();
  /// The way to a teacher, timed as a phase of its own; empty where the request has none.
  std::function<std::shared_ptr<Model>(const TeacherRequest&)> teacher_opener();
  void measure(int64_t after_task);
  void measure_within(int64_t task);
  void keep_samples(int64_t after_task);
  TrainingPlan planned(int64_t task);
  void learn(int64_t task);
  void close(int64_t task);
  void open_moments();
  /// Steps until `steps` are done, or epochs until the validation loss stops improving.
  void train_steps(int64_t task, const TrainingPlan& plan, Sampler& sampler);
  bool improving(const TrainingPlan& plan);
  /// A step's forward and backward passes; the last one's batch and logits.
  double passes(int64_t task, Sampler& sampler, Batch& batch, Tensor& logits);
  void one_step(int64_t task, Sampler& sampler, double lr_factor);
  double forward_backward(int64_t task, const Batch& batch, double share, Tensor& logits);
  double chunked(const Batch& batch, double share, const Step& step);
  Tensor extra_losses(const Step& step, double share);
  void backward(const Tensor& of, const Tensor& gradient = {}, bool gathers = false) const;
  void settle_head();
  kernels::Update next_step(double lr_factor);
  RangeUpdate mover() const;
  void contribute(Update& update, const kernels::Update& step);
  double move_values(kernels::Update& step, double& norm);
  bool is_noted() const;  ///< whether the present step is a point of the loss curve
  void see(const Batch& batch);
  std::string trained_with() const;
  /// Of what a step's penalties came to, extra losses apart: whether any was seen after task 1.
  void watch(int64_t task, double penalty);
  bool held_nothing() const { return looked_ && !pulled_ && !result_.penalties.empty(); }
  std::string held_nothing_note() const;
  void note(int64_t task, double loss, double penalty, double lr, double norm);
  void tell(int64_t task, int64_t done, int64_t steps, double loss);
  /// The tasks that a checkpoint holds as done, 0 without one.
  int64_t restore();
  /// After before_task(): the state within `task`, if a checkpoint holds one.
  void restore_within(int64_t task, Sampler& sampler);
  void save(int64_t task);
  void save_within(int64_t task, Sampler& sampler);
  bool due_within(int64_t task) const;
  std::string within_path() const { return request_.checkpoint + ".step"; }
  void write(const std::string& path, int64_t done, Sampler* sampler);
  void read(const std::string& path, int64_t done, Sampler* sampler);

  const TrainRequest& request_;
  const TrainOptions& options_;
  Model& model_;
  TaskStream& stream_;
  std::vector<std::unique_ptr<Strategy>>& strategies_;
  Arena arena_;
  std::set<std::string> trained_;  // names, in any task
  plan::Levers levers_;
  BackwardUpdate moving_;
  std::unique_ptr<Moments> moments_;  // null where they lie in twins
  std::unique_ptr<OffloadedActivations> activations_;
  Twin first_, second_;
  bool has_first_ = false, has_second_ = false;
  bool looked_ = false, pulled_ = false;  // see watch()
  int64_t step_ = 0;                      // over the trial
  int64_t bias_step_ = 0;                 // since the moments were zeroed
  int64_t task_step_ = 0, task_steps_ = 0;
  double best_ = 0;         // validation loss of the present task's epochs
  int64_t waited_ = 0;      // epochs since
  int64_t saved_task_ = 0;  // whose end the checkpoint holds
  bool within_ = false;     // whether the file for the state within a task is one to continue from
  std::chrono::steady_clock::time_point saved_{};
  double extra_ = 0;  // extra losses of the present step
  struct {
    int64_t inputs = 0, rows = 0, packed = 0, tokens = 0;
  } largest_;  // of the batches so far
  TrialResult result_;
  Clock clock_;
  std::chrono::steady_clock::time_point told_{}, began_{};
};

}  // namespace lethe
