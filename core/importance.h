// What measures of importance share: the rows they look at after a task, and how.
#pragma once

#include <functional>
#include <vector>

#include "core/row_gradients.h"
#include "core/strategy.h"

namespace lethe {

/// Throws Error, naming `owner`, where `count` rows (0 = all) are more than a task but the last
/// has: for prepare(), so that nothing is trained in vain.
void check_importance_rows(const std::string& owner, int64_t count, const TaskStream& stream);

/// `count` of the task's training rows, drawn without replacement (0 = all), in ascending order.
/// Throws Error where the task has fewer.
std::vector<int64_t> importance_rows(const TaskEnd& end, int64_t count);

/// Calls `look` with `rows` in batches of at most `size` on the model's device.
void each_batch(const TaskEnd& end, const std::vector<int64_t>& rows, int64_t size,
                const std::function<void(const Batch&)>& look);

/// Whether every trained value belongs to a Linear that sees one vector a row: see
/// one_vector_per_row in core/capture.h.
bool rows_see_one_vector(const TaskEnd& end);

/// Whether sums over rows need no loop here: see RowGradients::covers.
bool rows_need_no_loop(const TaskEnd& end);

/// The shortest and the longest of `rows`, on which that is found out.
Batch probe_of(const Rows& rows, const at::Device& device);

/// How many rows RowGradients is given at once: the evaluation's batch, of token rows at most 32.
int64_t rows_at_once(const TaskEnd& end);

/// The gradient of the logits' inner product with `cotangent` (P, C), one tensor a range of the
/// arena; undefined where a parameter has no part in the logits.
std::vector<Tensor> range_gradients(const Arena& arena, const Tensor& logits,
                                    const Tensor& cotangent);

}  // namespace lethe
