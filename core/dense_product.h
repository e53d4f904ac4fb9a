// The product with a dense weight, whose gradient goes straight into the arena.
#pragma once

#include <cstdint>
#include <vector>

#include "core/torch.h"

namespace lethe {

/// x (..., n) as (rows, n).
Tensor rows_of(const Tensor& x);
/// x's shape with another last dimension.
std::vector<int64_t> shape_with_last(const Tensor& x, int64_t last);

/// While it lives, the backward passes of this process's products add the weight's gradient to
/// `weight.grad()` where it lies, inside the GEMM, in place of making it apart and adding it then.
/// For torch::autograd::backward only: autograd::grad would miss those gradients. One trainer a
/// process.
class AddingGradients {
 public:
  AddingGradients();
  ~AddingGradients();
  static bool on();  ///< whether one lives
  AddingGradients(const AddingGradients&) = delete;
  AddingGradients& operator=(const AddingGradients&) = delete;

 private:
  bool before_;
};

/// A trained weight as the forward pass had it, where its gradient gathers: what a Function saved
/// under a hook comes back as another tensor.
Tensor as_given(const Tensor& saved);

/// x W^T + bias: (..., in) -> (..., out); weight (out, in), bias (out) or undefined. One product
/// over all rows, by core/matrix_product.h, forward and backward; but an x (R, in) on the CPU
/// without a gradient of its own and mostly zeros, such as images, is multiplied over its nonzeros
/// alone (core/kernels/sparse_product.h), which takes a third of the time and rounds differently.
/// Its gradients have no graph of their own. A weight in bfloat16 goes through bf16_product().
Tensor dense_product(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// The same with several float32 weights and their biases, of one x: its gradient is summed within
/// the products, not by passes of its own.
std::vector<Tensor> dense_products(const Tensor& x, const std::vector<Tensor>& weights,
                                   const std::vector<Tensor>& biases);

}  // namespace lethe
