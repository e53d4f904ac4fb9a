// What the contract suite looks through: strategies that note what they touch, and files for
// checkpoints.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/train.h"

namespace lethe {

/// A strategy that answers as `inner` does and notes what its after_task touched.
class Watched : public Strategy {
 public:
  Watched(std::string name, std::unique_ptr<Strategy> inner, std::vector<std::string>& faults)
      : name_(std::move(name)), inner_(std::move(inner)), faults_(faults) {}

  void prepare(Setup& setup) override { inner_->prepare(setup); }
  void adapt(Setup& setup, int64_t task) override { inner_->adapt(setup, task); }
  void training_plan(const TaskStream& stream, int64_t task, TrainingPlan& plan) override {
    inner_->training_plan(stream, task, plan);
  }
  void before_task(const TaskBegin& begin) override { inner_->before_task(begin); }
  Tensor extra_loss(const Step& step) override { return inner_->extra_loss(step); }
  void contribute(Update& update) override { inner_->contribute(update); }
  void after_step(const StepEnd& end) override { inner_->after_step(end); }
  bool reads_step() const override { return inner_->reads_step(); }
  void state(Archive& archive) override { inner_->state(archive); }
  std::optional<PenaltyForm> penalty_form(const TaskStream& stream) const override {
    return inner_->penalty_form(stream);
  }

  void after_task(const TaskEnd& end) override;

 private:
  void note(int64_t task, const char* what, bool kept);

  std::string name_;
  std::unique_ptr<Strategy> inner_;
  std::vector<std::string>& faults_;
};

/// A file for a checkpoint, removed with what stands beside it.
class CheckpointFile {
 public:
  CheckpointFile();
  ~CheckpointFile() { remove_checkpoint(path_); }
  CheckpointFile(const CheckpointFile&) = delete;
  CheckpointFile& operator=(const CheckpointFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace lethe
