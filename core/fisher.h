// The diagonal Fisher information at the present values, in all readings that public code uses.
#pragma once

#include <functional>
#include <string>

#include "core/row_gradients.h"
#include "core/strategy.h"

namespace lethe {

struct FisherOptions {
  /// Whose labels: "exact" takes the expectation over the model's own class probabilities,
  /// "sampled" draws one label a position from them, "empirical" the true one, "weighted" the true
  /// one times its probability, "predicted" the arg max; "batched" squares the mean gradient of a
  /// batch over true labels. "auto": exact for classifiers of at most 100 classes, else sampled.
  std::string labels = "auto";
  int64_t rows = 0;  ///< of the task's training rows, drawn without replacement; 0 = all
  /// "n" divides by the number of rows (batched: of batches), "n-1" by one less: the last loop
  /// index, as the code of van de Ven et al. 2022 does.
  std::string divisor = "n";
  int64_t batch = 128;  ///< rows whose mean gradient is squared, for "batched"
  /// Of text: "sequence" squares the gradient of a whole response's log-likelihood, summed over its
  /// tokens; "token" takes the squares of what every position adds by itself, as if positions were
  /// independent, and divides by the predicted tokens.
  std::string per = "sequence";
};

/// F (n) = 1/N sum over rows of the squared gradient of the row's log-likelihood (Kirkpatrick et
/// al. 2017, arXiv:1612.00796; readings: van de Ven 2025, arXiv:2502.11756). N is the divisor. The
/// model is in evaluation mode meanwhile; values, mode and gradients stay as they are. Without a
/// loop over rows where RowGradients::covers, else one forward and backward pass a row. Throws
/// Error for what check_fisher refuses.
Tensor fisher_diagonal(const TaskEnd& end, const FisherOptions& options);

/// The same by one forward and backward pass a row (and class): what the fast form is tested
/// against. Not for per = token.
Tensor fisher_by_rows(const TaskEnd& end, const FisherOptions& options);

/// The reading that `labels` means at this stream: "auto" made one of the others. Throws Error for
/// exact labels of a language model or above 100 classes.
std::string fisher_labels(const std::string& labels, const TaskStream& stream);

/// Throws Error, naming `owner`, for labels, rows or a divisor that some task of the stream can't
/// give: for prepare(), so that nothing is trained in vain.
void check_fisher(const std::string& owner, const FisherOptions& options, const TaskStream& stream);

/// Calls `take` with gradients (P, C) of -log p with respect to the logits, so weighted that the
/// sum of their outer products, sample by sample, is the expectation over `labels` (all but auto
/// and batched): one call, or one a class for exact labels. Inactive classes have gradient 0.
void each_cotangent(const Tensor& logits, const Batch& batch, const std::string& labels,
                    const at::Generator& generator, const std::function<void(const Tensor&)>& take,
                    SampleUnit unit = SampleUnit::row);

}  // namespace lethe
