// Per-row gradients without a loop over rows: each seam's inputs and output gradients of one batch.
#pragma once

#include <vector>

#include "core/arena.h"

namespace lethe {

/// Runs `model` forward on a batch with the input and output of every Linear seam recorded whose
/// output depends on a trained value. Gradients of the parameters (.grad) stay untouched.
class Capture {
 public:
  struct Site {
    Linear* seam = nullptr;
    Tensor input;   ///< (..., in), detached
    Tensor output;  ///< (..., out), with a graph
  };
  Capture(Model& model, const Batch& batch);

  const Tensor& logits() const { return logits_; }  ///< (P, C), with a graph
  const std::vector<Site>& sites() const { return sites_; }
  /// The gradient at each site's output for the cotangent (P, C) of the logits. May be called
  /// again.
  std::vector<Tensor> output_gradients(const Tensor& cotangent) const;

 private:
  Tensor logits_;
  std::vector<Site> sites_;
};

/// Whether every trainable value belongs to a Linear seam that sees one input vector a row, so that
/// sum_n g_n^2 = (delta^2)^T (a^2) holds. Not for token sequences.
bool one_vector_per_row(Model& model, const Arena& arena, const Batch& probe);

namespace detail {
/// Called by Linear::forward; records while a Capture runs on this thread.
void record(Linear* seam, const Tensor& input, const Tensor& output);
}  // namespace detail

}  // namespace lethe
