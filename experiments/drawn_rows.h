// Rows of drawn tokens in the shape that a memory plan has, for steps that are run for their
// figures.
#pragma once

#include <chrono>
#include <vector>

#include "core/plan/facts.h"
#include "core/plan/request.h"
#include "core/task.h"

namespace lethe {

/// `rows` rows of request.length tokens, every second one a token shorter where the plan has rows
/// of unequal length. Notes when it is asked for a batch.
class DrawnRows : public Rows {
 public:
  DrawnRows(const plan::ModelFacts& facts, const plan::PlanRequest& request, int64_t rows,
            int64_t first_id);
  int64_t size() const override { return inputs_.size(0); }
  uint64_t fingerprint(int64_t index) const override {
    return static_cast<uint64_t>(first_id() + index);
  }
  Batch batch(const std::vector<int64_t>& indices) const override;

  using Times = std::vector<std::chrono::steady_clock::time_point>;
  const Times& asked() const { return asked_; }

 private:
  void predict(Batch& batch) const;

  Tensor inputs_, targets_;  // (rows, length), (rows, length of what is predicted) int64
  int64_t predicted_;        // positions a row; 0 = the row's class
  bool padded_, seq2seq_;
  mutable Times asked_;
};

}  // namespace lethe
