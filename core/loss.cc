#include "core/loss.h"

#include <limits>

namespace lethe {

Tensor masked_logits(const Tensor& logits, const Batch& batch) {
  if (!batch.active.defined()) return logits;
  return logits.masked_fill(batch.active.logical_not(), -std::numeric_limits<float>::infinity());
}

Tensor position_weights(const Batch& batch) {
  if (!batch.weights.defined() || !batch.row_of.defined()) return batch.weights;
  return batch.weights.index_select(0, batch.row_of);
}

Tensor task_loss(const Tensor& logits, const Batch& batch) {
  const Tensor shown = masked_logits(logits, batch);
  if (!batch.weights.defined()) return at::cross_entropy_loss(shown, batch.targets);
  const Tensor each = at::cross_entropy_loss(shown, batch.targets, {}, at::Reduction::None);
  const Tensor weights = position_weights(batch);
  return (each * weights).sum() / weights.sum();
}

double summed_loss(const Tensor& logits, const Batch& batch) {
  const Tensor each =
      at::cross_entropy_loss(masked_logits(logits, batch), batch.targets, {}, at::Reduction::None);
  return each.sum(at::kDouble).item<double>();
}

int64_t positions_right(const Tensor& logits, const Batch& batch) {
  return masked_logits(logits, batch).argmax(1).eq(batch.targets).sum().item<int64_t>();
}

int64_t rows_right(const Tensor& logits, const Batch& batch) {
  const Tensor right = masked_logits(logits, batch).argmax(1).eq(batch.targets);
  if (!batch.row_of.defined()) return right.sum().item<int64_t>();
  const Tensor wrong = at::zeros({batch.rows()}, batch.row_of.options());
  wrong.index_add_(0, batch.row_of, right.logical_not().to(at::kLong));
  return wrong.eq(0).sum().item<int64_t>();
}

}  // namespace lethe
