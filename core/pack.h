// Several rows in one sequence, so that short rows cost no padding.
#pragma once

#include "core/batch.h"

namespace lethe {

/// The batch with its rows put into sequences of at most `length` input tokens each: the longest
/// row first, each into the first sequence that has room (first fit decreasing), a row longer than
/// `length` alone. Rows keep their numbers and predicted positions their order, so that losses,
/// weights and row ids mean what they meant; attention stays within a row. Unchanged where no two
/// rows fit together. Throws Error for a batch that is no batch of text.
Batch packed(const Batch& batch, int64_t length);

/// (S, 1, L, L) bool, true where query may see key: same segment, key not after query. Padding sees
/// padding, so that no row of attention is empty.
Tensor segment_mask(const Tensor& segments);

}  // namespace lethe
