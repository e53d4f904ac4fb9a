#include "core/replay_buffer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/memory.h"
#include "core/sampler.h"

namespace lethe {
namespace {

enum Purpose : uint64_t { kDraws = 1, kChoice = 2 };  // of one seed

/// Indices of a task's training rows by what the budget counts for: a class, or the whole task.
std::vector<std::vector<int64_t>> groups_of(const BufferOptions& options, const Task& task) {
  const MemoryTag tag(Category::workspace);
  const int64_t rows = task.train->size();
  if (options.per == "task" || task.classes.empty()) {
    std::vector<int64_t> all(static_cast<size_t>(rows));
    std::iota(all.begin(), all.end(), 0);
    return {all};
  }
  constexpr int64_t kRowsAtOnce = 512;
  std::vector<std::vector<int64_t>> groups(task.classes.size());
  for (const std::vector<int64_t>& indices : in_batches(rows, kRowsAtOnce)) {
    const Tensor targets = task.train->batch(indices).targets;
    const auto* labels = targets.data_ptr<int64_t>();
    for (size_t i = 0; i < indices.size(); ++i) {
      const auto at = std::find(task.classes.begin(), task.classes.end(), labels[i]);
      if (at == task.classes.end()) {
        fail("task '{}': training row {} has label {}, which is no class of the task", task.name,
             indices[i], labels[i]);
      }
      groups[static_cast<size_t>(at - task.classes.begin())].push_back(indices[i]);
    }
  }
  return groups;
}

/// Of group `group` among `groups`; the first ones take what does not divide.
int64_t quota(const BufferOptions& options, int64_t group, int64_t groups) {
  if (options.per != "total") return options.budget;
  return options.budget / groups + (group < options.budget % groups ? 1 : 0);
}

void check_total(const std::string& owner, const BufferOptions& options, const TaskStream& stream) {
  int64_t rows = 0, classes = 0;
  for (size_t t = 0; t + 1 < stream.tasks.size(); ++t) {
    rows += stream.tasks[t].train->size();
    classes += std::max<int64_t>(1, static_cast<int64_t>(stream.tasks[t].classes.size()));
  }
  if (options.budget > rows) {
    fail(
        "{}: a budget of {} rows in total is larger than the data: the tasks before the last of "
        "stream '{}' have {} training rows; lower the budget to at most {}",
        owner, options.budget, stream.name, rows, rows);
  }
  if (options.selection == "class_balanced" && options.budget < classes) {
    fail(
        "{}: a budget of {} rows in total is smaller than the {} classes of the tasks before the "
        "last of stream '{}', and selection = class_balanced keeps a row of each; raise it to at "
        "least {}, or set selection = reservoir",
        owner, options.budget, classes, stream.name, classes);
  }
}

void check_groups(const std::string& owner, const BufferOptions& options,
                  const TaskStream& stream) {
  for (size_t t = 0; t + 1 < stream.tasks.size(); ++t) {
    const Task& task = stream.tasks[t];
    const auto groups = groups_of(options, task);
    const bool whole = options.per == "task" || task.classes.empty();
    for (size_t g = 0; g < groups.size(); ++g) {
      const auto rows = static_cast<int64_t>(groups[g].size());
      if (options.budget <= rows) continue;
      const std::string whose = whole ? "" : fmt::format("class {} of ", task.classes[g]);
      fail(
          "{}: a budget of {} rows a {} is larger than the data: {}task '{}' of stream '{}' has {} "
          "training rows; lower the budget to at most {}",
          owner, options.budget, whole ? "task" : "class", whose, task.name, stream.name, rows,
          rows);
    }
  }
}

}  // namespace

void check_buffer(const std::string& owner, const BufferOptions& options,
                  const TaskStream& stream) {
  if (options.budget == 0) return;
  if (options.selection == "reservoir" && options.per != "total") {
    fail(
        "{}: selection = reservoir keeps all past rows alike, and per = {} wants a budget for "
        "each {}; set per = total, or selection = class_balanced",
        owner, options.per, options.per);
  }
  if (options.per == "total") {
    if (stream.tasks.size() > 1) check_total(owner, options, stream);
  } else {
    check_groups(owner, options, stream);
  }
}

void ReplayBuffer::open(const TaskStream& stream, int64_t task, uint64_t seed) {
  rows_.clear();
  for (int64_t t = 0; t < task; ++t) rows_.push_back(stream.tasks[static_cast<size_t>(t)].train);
  draws_ = Random(seed, kDraws);
  order_.resize(static_cast<size_t>(size_));
  std::iota(order_.begin(), order_.end(), 0);
}

void ReplayBuffer::keep(const BufferOptions& options, const TaskStream& stream, int64_t task,
                        uint64_t seed) {
  if (options.budget == 0 || task == static_cast<int64_t>(stream.tasks.size())) return;
  const Task& ended = stream.tasks[static_cast<size_t>(task) - 1];
  if (options.selection == "class_balanced") return add_groups(options, ended, seed);
  Random random(seed, kChoice);
  const Rows& rows = *ended.train;
  for (int64_t i = 0; i < rows.size(); ++i) offer(rows.first_id() + i, options.budget, random);
}

void ReplayBuffer::add_groups(const BufferOptions& options, const Task& task, uint64_t seed) {
  auto fresh = groups_of(options, task);
  const int64_t known = groups_;
  groups_ += static_cast<int64_t>(fresh.size());
  std::vector<int64_t> ids, numbers, taken(static_cast<size_t>(known), 0);
  const auto* kept = size_ > 0 ? kept_.data_ptr<int64_t>() : nullptr;
  for (int64_t slot = 0; slot < size_; ++slot) {
    const int64_t group = kept[2 * slot + 1];
    // The rows of a group stand in a random order: what the quota leaves is random too.
    if (taken[static_cast<size_t>(group)]++ >= quota(options, group, groups_)) continue;
    ids.push_back(kept[2 * slot]);
    numbers.push_back(group);
  }
  Random random(seed, kChoice);
  for (size_t g = 0; g < fresh.size(); ++g) {
    const int64_t group = known + static_cast<int64_t>(g);
    random.shuffle(fresh[g]);
    const auto count =
        std::min(quota(options, group, groups_), static_cast<int64_t>(fresh[g].size()));
    for (int64_t i = 0; i < count; ++i) {
      ids.push_back(task.train->first_id() + fresh[g][static_cast<size_t>(i)]);
      numbers.push_back(group);
    }
  }
  fill(ids, numbers);
}

void ReplayBuffer::fill(const std::vector<int64_t>& ids, const std::vector<int64_t>& groups) {
  const MemoryTag tag(Category::method_state);
  size_ = static_cast<int64_t>(ids.size());
  kept_ = at::empty({size_, 2}, at::kLong);
  auto* kept = kept_.data_ptr<int64_t>();
  for (size_t slot = 0; slot < ids.size(); ++slot) {
    kept[2 * slot] = ids[slot];
    kept[2 * slot + 1] = groups[slot];
  }
}

std::optional<int64_t> ReplayBuffer::offer(int64_t row_id, int64_t capacity, Random& random) {
  if (!kept_.defined()) {
    const MemoryTag tag(Category::method_state);
    kept_ = at::zeros({capacity, 2}, at::kLong);
  }
  ++offered_;
  int64_t slot = size_;
  if (size_ < capacity) {
    ++size_;
    order_.push_back(slot);
  } else {
    slot = random.below(offered_);
    if (slot >= capacity) return std::nullopt;
  }
  kept_.data_ptr<int64_t>()[2 * slot] = row_id;
  return slot;
}

size_t ReplayBuffer::task_of(int64_t row_id) const {
  for (size_t t = 0; t < rows_.size(); ++t) {
    const int64_t index = row_id - rows_[t]->first_id();
    if (index >= 0 && index < rows_[t]->size()) return t;
  }
  fail("row {} of a replay buffer is no training row of the {} tasks so far", row_id, rows_.size());
}

ReplayBuffer::Drawn ReplayBuffer::gathered(const std::vector<int64_t>& slots) const {
  const auto* kept = kept_.data_ptr<int64_t>();
  std::vector<std::vector<int64_t>> indices(rows_.size()), places(rows_.size());
  for (const int64_t slot : slots) {
    const size_t task = task_of(kept[2 * slot]);
    indices[task].push_back(kept[2 * slot] - rows_[task]->first_id());
    places[task].push_back(slot);
  }
  Drawn drawn;
  std::vector<Batch> batches;
  for (size_t t = 0; t < rows_.size(); ++t) {
    if (indices[t].empty()) continue;
    batches.push_back(rows_[t]->batch(indices[t]));
    drawn.slots.insert(drawn.slots.end(), places[t].begin(), places[t].end());
  }
  drawn.batch = joined(batches);
  return drawn;
}

void ReplayBuffer::shuffle_front(std::vector<int64_t>& slots, int64_t count) {
  const auto all = static_cast<int64_t>(slots.size());
  for (int64_t i = 0; i < count; ++i) {
    std::swap(slots[static_cast<size_t>(i)], slots[static_cast<size_t>(i + draws_.below(all - i))]);
  }
}

ReplayBuffer::Drawn ReplayBuffer::draw(int64_t count) {
  const int64_t taken = std::min(count, size_);
  shuffle_front(order_, taken);
  return gathered({order_.begin(), order_.begin() + taken});
}

ReplayBuffer::Drawn ReplayBuffer::draw_of(int64_t task, int64_t count) {
  std::vector<int64_t> slots;
  for (int64_t slot = 0; slot < size_; ++slot) {
    if (task_of(kept_.data_ptr<int64_t>()[2 * slot]) + 1 == static_cast<size_t>(task)) {
      slots.push_back(slot);
    }
  }
  if (count < static_cast<int64_t>(slots.size())) {
    shuffle_front(slots, count);
    slots.resize(static_cast<size_t>(count));
  }
  return gathered(slots);
}

std::vector<int64_t> ReplayBuffer::row_ids() const {
  std::vector<int64_t> ids;
  for (int64_t slot = 0; slot < size_; ++slot) {
    ids.push_back(kept_.data_ptr<int64_t>()[2 * slot]);
  }
  return ids;
}

void ReplayBuffer::state(Archive& archive) {
  const MemoryTag tag(Category::method_state);
  archive("kept", kept_);
  archive("size", size_);
  archive("groups", groups_);
  archive("offered", offered_);
  archive("order", order_);
  archive("draws", draws_);
}

}  // namespace lethe
