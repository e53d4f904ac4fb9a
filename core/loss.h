// Losses and scores of logits over predicted positions.
#pragma once

#include "core/batch.h"

namespace lethe {

/// The logits with inactive classes at -inf, where the batch masks classes; else the logits
/// themselves.
Tensor masked_logits(const Tensor& logits, const Batch& batch);

/// Each predicted position's weight (P), its row's; undefined where the batch has none.
Tensor position_weights(const Batch& batch);

/// Mean cross-entropy in nats over predicted positions, each weighted by its row's weight (sum of
/// weighted losses over sum of weights). logits (P, C); scalar, with a graph.
Tensor task_loss(const Tensor& logits, const Batch& batch);

/// Sum of the cross-entropy over the batch's positions, in nats, in double precision.
double summed_loss(const Tensor& logits, const Batch& batch);

/// Predicted positions whose target is the arg max.
int64_t positions_right(const Tensor& logits, const Batch& batch);

/// Rows whose every predicted position has its target as arg max: accuracy of a classifier and, for
/// a language model, exactly the rows that greedy generation answers word for word (a greedy path
/// leaves the expected answer at the first position whose arg max differs, and not before).
int64_t rows_right(const Tensor& logits, const Batch& batch);

}  // namespace lethe
