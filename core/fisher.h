// The diagonal Fisher information at the present values, in all readings that public code uses.
#pragma once

#include <functional>
#include <string>

#include "core/strategy.h"

namespace lethe {

struct FisherOptions {
  /// Whose labels: "exact" takes the expectation over the model's own class probabilities,
  /// "sampled" draws one label a position from them, "empirical" the true one, "weighted" the true
  /// one times its probability, "predicted" the arg max; "batched" squares the mean gradient of a
  /// batch over true labels. "auto": exact for classifiers of at most 100 classes, sampled for
  /// language models (a whole response counts as one sample).
  std::string labels = "auto";
  int64_t rows = 0;  ///< of the task's training rows, drawn without replacement; 0 = all
  /// "n" divides by the number of rows (batched: of batches), "n-1" by one less: the last loop
  /// index, as the code of van de Ven et al. 2022 does.
  std::string divisor = "n";
};

/// F (n) = 1/N sum over rows of the squared gradient of the row's log-likelihood (Kirkpatrick et
/// al. 2017, arXiv:1612.00796; readings: van de Ven 2025, arXiv:2502.11756). N is the divisor. The
/// model is in evaluation mode meanwhile; values, mode and gradients stay as they are. One pass
/// without a loop over rows where every trained value belongs to a Linear that sees one vector a
/// row, else one forward and backward a row. Throws Error for exact labels of a language model or
/// above 100 classes.
Tensor fisher_diagonal(const TaskEnd& end, const FisherOptions& options);

/// The same by one forward and backward pass a row (and class): what the fast form is tested
/// against.
Tensor fisher_by_rows(const TaskEnd& end, const FisherOptions& options);

/// The reading that `labels` means at this stream: "auto" made one of the others. Throws as
/// fisher_diagonal.
std::string fisher_labels(const TaskEnd& end, const std::string& labels);

/// Calls `take` with gradients (P, C) of -log p with respect to the logits, so weighted that the
/// sum of their outer products, row by row, is the expectation over `labels` (all but auto and
/// batched): one call, or one a class for exact labels. Inactive classes have gradient 0.
void each_cotangent(const Tensor& logits, const Batch& batch, const std::string& labels,
                    const at::Generator& generator, const std::function<void(const Tensor&)>& take);

}  // namespace lethe
