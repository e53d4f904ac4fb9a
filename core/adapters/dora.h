// Weight-decomposed low-rank adaptation beside a Linear.
//   y = b + m_j / n_j (W x + s B A x)_j,   n_j = || (W + s B A)_j ||_2 over the inputs
// n counts as a constant in the backward pass, as in peft. It is computed as
//   n_j^2 = ||W_j||^2 + 2 s B_j (A W_j^T) + s^2 B_j (A A^T) B_j^T
// without the product B A, so that nothing of the weight's size is kept for it. Dropout acts on
// every x that m / n scales, as in peft. Source: Liu et al. 2024, arXiv:2402.09353.
#pragma once

#include "core/adapters/low_rank.h"

namespace lethe {

class DoraAdapter : public LowRankAdapter {
 public:
  /// m starts as the row norms of the seam's base. Throws Error for a row of zeros.
  DoraAdapter(const LowRankOptions& options, Linear& seam, Model& model, at::Generator generator);
  /// Of the values of a form, which are shared.
  DoraAdapter(const AdapterForm& form, Linear& seam, Model& model);

  Tensor output(const Tensor& x, const Tensor& so_far) const override;
  void parameters(const ParameterVisitor& visit) override;
  void merge(Tensor& weight, Tensor& bias) const override;
  std::optional<AdapterForm> form() const override;

 private:
  /// n (out), a constant for autograd.
  Tensor norms() const;

  Linear& seam_;
  Tensor squares_;    // (out), of the rows of W
  Tensor magnitude_;  // (out)
};

}  // namespace lethe
