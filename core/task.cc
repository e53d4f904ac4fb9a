#include "core/task.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace lethe {
namespace {

struct Split {
  std::string_view name;
  const Rows* rows;
};

std::array<Split, 3> splits(const Task& task) {
  return {{{"training", task.train.get()},
           {"validation", task.validation.get()},
           {"test", task.test.get()}}};
}

void check_labels(const TaskStream& stream, const Task& task, const Split& split) {
  constexpr int64_t kRowsAtOnce = 512;
  for (const std::vector<int64_t>& indices : in_batches(split.rows->size(), kRowsAtOnce)) {
    const Tensor targets = split.rows->batch(indices).targets;
    const auto* labels = targets.data_ptr<int64_t>();
    for (size_t i = 0; i < indices.size(); ++i) {
      if (std::count(task.classes.begin(), task.classes.end(), labels[i]) > 0) continue;
      fail("stream '{}', task '{}': {} row {} has label {}, expected one of the task's classes {}",
           stream.name, task.name, split.name, indices[i], labels[i],
           fmt::join(task.classes, ", "));
    }
  }
}

void check_task(const TaskStream& stream, const Task& task) {
  for (const Split& split : splits(task)) {
    if (split.rows == nullptr || split.rows->size() == 0) {
      fail(
          "stream '{}', task '{}' has no {} rows; every task needs training, validation and test "
          "rows",
          stream.name, task.name, split.name);
    }
  }
  for (const int64_t label : task.classes) {
    if (label < 0 || label >= stream.classes) {
      fail("stream '{}', task '{}' has class {}, expected 0 to {}", stream.name, task.name, label,
           stream.classes - 1);
    }
  }
  if (task.classes.empty()) return;
  for (const Split& split : splits(task)) check_labels(stream, task, split);
}

std::vector<uint64_t> sorted_fingerprints(const Rows& rows) {
  std::vector<uint64_t> prints(rows.size());
  for (int64_t i = 0; i < rows.size(); ++i) prints[i] = rows.fingerprint(i);
  std::sort(prints.begin(), prints.end());
  return prints;
}

/// How many of `held_out` stand in `training`; both sorted.
int64_t shared(const std::vector<uint64_t>& held_out, const std::vector<uint64_t>& training) {
  return std::count_if(held_out.begin(), held_out.end(), [&](uint64_t print) {
    return std::binary_search(training.begin(), training.end(), print);
  });
}

void warn_of_overlap(TaskStream& stream) {
  std::vector<std::vector<uint64_t>> training;
  for (const Task& task : stream.tasks) training.push_back(sorted_fingerprints(*task.train));
  for (const Task& task : stream.tasks) {
    for (const Split& split : {splits(task)[1], splits(task)[2]}) {
      const std::vector<uint64_t> held_out = sorted_fingerprints(*split.rows);
      for (size_t trained = 0; trained < training.size(); ++trained) {
        const int64_t count = shared(held_out, training[trained]);
        if (count == 0) continue;
        stream.warnings.push_back(
            fmt::format("task '{}': {} of {} {} rows also stand among the training rows of task "
                        "'{}'; scores on "
                        "them measure memory",
                        task.name, count, held_out.size(), split.name, stream.tasks[trained].name));
      }
    }
  }
}

}  // namespace

Batch Batch::to(const at::Device& device) const {
  Batch moved = *this;
  for (Tensor* tensor : {&moved.inputs, &moved.mask, &moved.token_types, &moved.decoder_inputs,
                         &moved.positions, &moved.row_of, &moved.targets, &moved.row_ids,
                         &moved.weights, &moved.active, &moved.segments, &moved.position_ids}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return moved;
}

std::vector<std::vector<int64_t>> in_batches(int64_t rows, int64_t batch_size) {
  if (batch_size < 1) fail("a batch of {} rows is impossible; choose at least 1", batch_size);
  std::vector<std::vector<int64_t>> batches;
  for (int64_t begin = 0; begin < rows; begin += batch_size) {
    std::vector<int64_t>& batch = batches.emplace_back(std::min(batch_size, rows - begin));
    std::iota(batch.begin(), batch.end(), begin);
  }
  return batches;
}

void check_masks(const TaskStream& stream) {
  for (const Task& task : stream.tasks) {
    if (task.classes.empty() && stream.scenario != Scenario::domain_incremental) {
      fail(
          "stream '{}' is {}-incremental, but task '{}' has no classes that could be masked; give "
          "it classes, or make the stream domain-incremental",
          stream.name, stream.scenario == Scenario::task_incremental ? "task" : "class", task.name);
    }
    const Tensor active = task.train->batch({0}).active;
    if (!active.defined() || active.size(1) == stream.classes) continue;
    fail("stream '{}', task '{}' masks {} classes, but the stream has {}; make them equal",
         stream.name, task.name, active.size(1), stream.classes);
  }
}

void require_classes(const std::string& owner, const TaskStream& stream, const std::string& why,
                     const std::string& instead) {
  if (stream.classes > 0) return;
  fail("{} needs classes, as {}, but stream '{}' gives text; {}, or a stream of images", owner, why,
       stream.name, instead);
}

void check_stream(TaskStream& stream) {
  if (stream.tasks.empty()) fail("stream '{}' has no tasks", stream.name);
  for (const Task& task : stream.tasks) check_task(stream, task);
  check_masks(stream);
  for (const Probe& probe : stream.probes) {
    if (probe.rows == nullptr || probe.rows->size() == 0) {
      fail("stream '{}', probe '{}' has no rows", stream.name, probe.name);
    }
  }
  warn_of_overlap(stream);
}

}  // namespace lethe
