// What measures of importance share: the rows they look at after a task, and per-row gradients of
// Linear seams without a loop over rows.
#pragma once

#include <functional>
#include <vector>

#include "core/strategy.h"

namespace lethe {

/// `count` of the task's training rows, drawn without replacement (0 = all), in ascending order.
/// Throws Error where the task has fewer.
std::vector<int64_t> importance_rows(const TaskEnd& end, int64_t count);

/// Calls `look` with `rows` in batches of at most `size` on the model's device.
void each_batch(const TaskEnd& end, const std::vector<int64_t>& rows, int64_t size,
                const std::function<void(const Batch&)>& look);

/// Whether sums over rows need no loop here: see one_vector_per_row in core/capture.h.
bool rows_need_no_loop(const TaskEnd& end);

/// Adds to `total` (n) the sum over rows of left x right, an outer product, for the weight of
/// `seam`, and the sum of left for its bias: left (B, out), right (B, in).
void add_outer(const Arena& arena, Linear& seam, const Tensor& left, const Tensor& right,
               const Tensor& total);

/// The gradient of the logits' inner product with `cotangent` (P, C), one tensor a range of the
/// arena; undefined where a parameter has no part in the logits.
std::vector<Tensor> range_gradients(const Arena& arena, const Tensor& logits,
                                    const Tensor& cotangent);

}  // namespace lethe
