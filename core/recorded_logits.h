// A teacher's logits, or what is made of them, recorded once for every row that a task's steps may
// draw, found again by row id.
#pragma once

#include <functional>
#include <vector>

#include "core/strategy.h"

namespace lethe {

/// Predicted positions of each row of a batch, which lie one row after the other: one for a
/// classifier.
std::vector<int64_t> positions_by_row(const Batch& batch);

class RecordedLogits {
 public:
  using Teacher = std::function<Tensor(const Batch&)>;  ///< (P, C) of a batch, without a graph

  /// One pass over all rows of the plan, replacing what was recorded before. Memory: all predicted
  /// positions times C floats. Rounding may differ from a forward pass of another batch size.
  void record(const TrainingPlan& plan, int64_t batch_size, const at::Device& device,
              const Teacher& teacher);
  /// (P, C) for a batch of recorded rows, in the batch's order. Throws Error for a row that was not
  /// recorded.
  Tensor of(const Batch& batch) const;

 private:
  struct Part {
    int64_t first_id = 0;
    std::vector<int64_t> begin;  ///< of each row's positions in logits_, and the end of the last
  };
  const Part& part_of(int64_t id) const;

  std::vector<Part> parts_;
  Tensor logits_;
};

}  // namespace lethe
