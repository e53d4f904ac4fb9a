#include "core/contract_watch.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace lethe {
namespace {

/// Whether every parameter's gradient is still the arena's.
bool attached(const TaskEnd& end) {
  return std::all_of(end.arena.ranges().begin(), end.arena.ranges().end(), [&](const auto& range) {
    const Tensor part = end.arena.slice(end.arena.gradient(), range);
    return range.parameter.grad().defined() && range.parameter.grad().data_ptr() == part.data_ptr();
  });
}

}  // namespace

void Watched::after_task(const TaskEnd& end) {
  // Either mode must survive: evaluation, as the trainer leaves it, and training.
  const bool training = end.task % 2 == 0;
  end.model.train(training);
  const Tensor values = end.arena.values().clone(), gradient = end.arena.gradient().clone();
  inner_->after_task(end);
  note(end.task, "values", end.arena.values().equal(values));
  note(end.task, "gradients", end.arena.gradient().equal(gradient) && attached(end));
  note(end.task, "the training mode", end.model.training() == training);
  end.model.train(false);
}

void Watched::note(int64_t task, const char* what, bool kept) {
  if (kept) return;
  faults_.push_back(fmt::format("{}: after_task of task {} changes {}", name_, task, what));
}

CheckpointFile::CheckpointFile() {
  static int count = 0;
  const std::string name = fmt::format("lethe-contract-{}-{}", getpid(), ++count);
  path_ = (std::filesystem::temp_directory_path() / name).string();
}

}  // namespace lethe
