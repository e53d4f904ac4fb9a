// Rows of past tasks kept for replay: which ones, and draws from them. Only their ids are kept; the
// rows stay with the stream, so that a buffer's booked memory is 16 bytes a row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/archive.h"
#include "core/options.h"
#include "core/random.h"
#include "core/task.h"

namespace lethe {

/// Options that methods with a memory share.
struct BufferOptions {
  int64_t budget = 100;
  std::string per = "class";  ///< "class", "task" or "total"
  std::string selection = "class_balanced";
  template <class Visit>
  void fields(Visit&& visit) {
    visit("budget", budget, at_least(0), "rows kept, booked as ids of 16 bytes; 0 = finetune");
    visit("per", per, one_of({"class", "total"}),
          "budget for each class of each task (text: for each task), or for all together");
    visit("selection", selection, one_of({"class_balanced", "reservoir"}),
          "at random as many of every class, or of all past rows alike (needs per = total)");
  }
};

/// Throws Error, naming `owner`, for options that contradict each other and for a budget larger
/// than the data that can be kept: the training rows of all tasks but the last.
void check_buffer(const std::string& owner, const BufferOptions& options, const TaskStream& stream);

/// What a buffer holds depends on the seed and the rows alone, never on what was drawn: methods of
/// equal options keep equal rows under equal seeds.
class ReplayBuffer {
 public:
  struct Drawn {
    Batch batch;                 ///< on the CPU; tasks in order, each row with its task's classes
    std::vector<int64_t> slots;  ///< (B) where each row of the batch stands in the buffer
  };

  /// Before a task: the rows of tasks 1..task can be drawn from now on, in an order of `seed`.
  void open(const TaskStream& stream, int64_t task, uint64_t seed);
  /// After a task: chooses among its training rows, and lets go of earlier ones where the budget
  /// asks for it. Does nothing after the last task.
  void keep(const BufferOptions& options, const TaskStream& stream, int64_t task, uint64_t seed);
  /// Offers one row to a reservoir of `capacity` (Vitter 1985, algorithm R): after n offers each
  /// was kept with probability capacity / n. The slot it took, if any.
  std::optional<int64_t> offer(int64_t row_id, int64_t capacity, Random& random);

  /// `count` rows in distinct slots (all, where fewer are there), each as likely as any other.
  Drawn draw(int64_t count);
  /// The same among the rows of one task.
  Drawn draw_of(int64_t task, int64_t count);

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::vector<int64_t> row_ids() const;  ///< by slot
  void state(Archive& archive);

 private:
  size_t task_of(int64_t row_id) const;
  /// Brings `count` of the slots, drawn at random, to the front.
  void shuffle_front(std::vector<int64_t>& slots, int64_t count);
  Drawn gathered(const std::vector<int64_t>& slots) const;
  void add_groups(const BufferOptions& options, const Task& task, uint64_t seed);
  void fill(const std::vector<int64_t>& ids, const std::vector<int64_t>& groups);

  Tensor kept_;          // (capacity, 2): row id, number of its class among those seen so far
  int64_t size_ = 0;     // slots in use
  int64_t groups_ = 0;   // classes seen so far
  int64_t offered_ = 0;  // to the reservoir
  std::vector<RowsPtr> rows_;
  std::vector<int64_t> order_;  // slots; a draw shuffles the front
  Random draws_{0};
};

}  // namespace lethe
