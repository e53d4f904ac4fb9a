// Per-row gradients without a loop over rows: what every use of a trained parameter was given and
// which output it made, in one forward pass of one batch.
#pragma once

#include <vector>

#include "core/arena.h"

namespace lethe {

/// Runs `model` forward on a batch and records every site whose output depends on a trained value:
/// each Linear seam's product, and what embeddings, norms and adapters record beside. Gradients of
/// the parameters (.grad) stay untouched.
class Capture {
 public:
  enum class Kind {
    product,  ///< output (..., out) = input (..., in) weight^T (+ bias)
    gain,     ///< output (..., d) = input (..., d) * weight (d values in any shape) (+ bias)
    lookup,   ///< output (B, T, width) = rows of weight by input (B, T), int64 ids
    rows,     ///< output (B, k, width) = weight (k, width) in every row of the batch; no input
  };
  struct Site {
    Linear* seam = nullptr;  ///< of a seam's own product; null for what lies in or beside seams
    Tensor input;            ///< detached
    Tensor output;           ///< with a graph
    Kind kind = Kind::product;
    Tensor weight, bias;  ///< where `seam` is null; bias may be undefined
  };
  Capture(Model& model, const Batch& batch);

  const Tensor& logits() const { return logits_; }  ///< (P, C), with a graph
  const std::vector<Site>& sites() const { return sites_; }
  /// The gradient at each site's output for the cotangent (P, C) of the logits, undefined where the
  /// logits do not depend on it. May be called again.
  std::vector<Tensor> output_gradients(const Tensor& cotangent) const;

 private:
  Tensor logits_;
  std::vector<Site> sites_;
};

/// Whether every trainable value belongs to a Linear seam that sees one input vector a row, so that
/// sum_n g_n^2 = (delta^2)^T (a^2) holds. Not for token sequences.
bool one_vector_per_row(Model& model, const Arena& arena, const Batch& probe);

namespace detail {
/// Whether a Capture runs on this thread; records cost nothing otherwise.
bool recording();
/// Called by Linear::forward for its own product.
void record(Linear* seam, const Tensor& input, const Tensor& output);
/// Called where a parameter is used outside of a Linear's own product.
void record(Capture::Kind kind, const Tensor& weight, const Tensor& input, const Tensor& output,
            const Tensor& bias = {});
}  // namespace detail

}  // namespace lethe
