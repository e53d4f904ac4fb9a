#include "experiments/drawn_rows.h"

#include "core/memory.h"
#include "core/seeds.h"

namespace lethe {
namespace {

Tensor drawn_ids(int64_t rows, int64_t length, int64_t below, int64_t seed) {
  return at::empty({rows, length}, at::kLong)
      .random_(0, below, make_generator(seed_for(seed, "rows")));
}

}  // namespace

DrawnRows::DrawnRows(const plan::ModelFacts& facts, const plan::PlanRequest& request, int64_t rows,
                     int64_t first_id)
    : Rows(first_id), padded_(request.padded && rows > 1) {
  seq2seq_ = facts.form == plan::Form::seq2seq;
  const int64_t target = request.target_length > 0 ? request.target_length : request.length;
  const int64_t length = seq2seq_ ? target : request.length;
  predicted_ = facts.classifies ? 0 : request.predicted > 0 ? request.predicted : length;
  const MemoryTag tag(Category::workspace);
  inputs_ = drawn_ids(rows, request.length, facts.seams.front().out, first_id);
  targets_ = drawn_ids(rows, length, facts.classes(), first_id + 1);
}

Batch DrawnRows::batch(const std::vector<int64_t>& indices) const {
  asked_.push_back(std::chrono::steady_clock::now());
  const Tensor rows = at::tensor(indices, at::kLong);
  Batch batch;
  batch.inputs = inputs_.index_select(0, rows);
  batch.row_ids = rows + first_id();
  batch.tokens = batch.inputs.numel();
  if (padded_) {
    batch.mask = at::ones(batch.inputs.sizes(), at::kBool);
    batch.mask.select(1, batch.mask.size(1) - 1).copy_(rows.remainder(2).eq(0));
  }
  const Tensor targets = targets_.index_select(0, rows);
  if (seq2seq_) batch.decoder_inputs = targets.flip(1);
  if (predicted_ == 0) {
    batch.targets = targets.select(1, 0).clone();
    return batch;
  }
  batch.targets = targets.narrow(1, targets.size(1) - predicted_, predicted_).reshape({-1});
  predict(batch);
  return batch;
}

/// The last positions of each row.
void DrawnRows::predict(Batch& batch) const {
  const int64_t rows = batch.inputs.size(0), length = targets_.size(1);
  const Tensor starts = at::arange(rows, at::kLong).unsqueeze(1) * length;
  batch.positions = (starts + at::arange(length - predicted_, length, at::kLong)).view({-1});
  batch.row_of = at::arange(rows, at::kLong).repeat_interleave(predicted_);
}

}  // namespace lethe
