#include "core/dense_product.h"

#include <atomic>
#include <optional>

#include "core/autograd_function.h"
#include "core/bf16_values.h"
#include "core/gradient_hook.h"
#include "core/kernels/sparse_product.h"
#include "core/matrix_product.h"

namespace lethe {
namespace {

/// Of the process: a device has its backward pass in a thread of autograd's.
std::atomic<bool> adding{false};

/// Whether the product runs over the nonzeros of x alone. A narrow layer gains nothing from it.
bool over_nonzeros(const Tensor& x, const Tensor& weight) {
  constexpr int64_t kFewOutputs = 32;
  return x.dim() == 2 && !x.requires_grad() && x.is_cpu() && x.scalar_type() == at::kFloat &&
         weight.scalar_type() == at::kFloat && x.is_contiguous() && weight.is_contiguous() &&
         weight.size(0) >= kFewOutputs &&
         kernels::mostly_zeros(x.const_data_ptr<float>(), x.numel());
}

Tensor sparse_product(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  const Tensor added = bias ? bias->contiguous() : Tensor();
  kernels::sparse_multiply(x.const_data_ptr<float>(), x.size(0), x.size(1),
                           weight.const_data_ptr<float>(), weight.size(0),
                           added.defined() ? added.const_data_ptr<float>() : nullptr,
                           y.mutable_data_ptr<float>());
  return y;
}

void add_sparse_gradient(const Tensor& x, const Tensor& gradient, Tensor& total) {
  const Tensor rows = gradient.contiguous();
  kernels::add_sparse_outer(x.const_data_ptr<float>(), x.size(0), x.size(1),
                            rows.const_data_ptr<float>(), rows.size(1),
                            total.mutable_data_ptr<float>());
}

/// One product over all rows.
Tensor folded(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  const Tensor y = product(rows_of(x), weight.t(), bias ? *bias : Tensor());
  return x.dim() == 2 ? y : y.view(shape_with_last(x, weight.size(0)));
}

struct DenseProduct : torch::autograd::Function<DenseProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const Tensor& weight, const std::optional<Tensor>& bias) {
    // Without a gradient of the weight x is not needed.
    saved->save_for_backward({weight.requires_grad() ? x : Tensor(), weight});
    saved->saved_data["bias"] = bias && bias->requires_grad();
    const bool sparse = over_nonzeros(x, weight);
    saved->saved_data["sparse"] = sparse;
    return sparse ? sparse_product(x, weight, bias) : folded(x, weight, bias);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor &x = kept[0], weight = as_given(kept[1]), &gradient = gradients[0];
    Tensor to_x, to_weight, to_bias;
    if (saved->needs_input_grad(0)) {
      to_x = product(rows_of(gradient), weight).view(shape_with_last(gradient, weight.size(1)));
    }
    if (saved->needs_input_grad(1)) {
      Tensor& total = weight.mutable_grad();
      const bool here = adding && total.defined();
      if (saved->saved_data["sparse"].toBool() && (!here || total.is_contiguous())) {
        if (!here) to_weight = at::zeros_like(weight);
        add_sparse_gradient(x, gradient, here ? total : to_weight);
      } else if (here) {
        add_product(total, rows_of(gradient).t(), rows_of(x));
      } else {
        to_weight = product(rows_of(gradient).t(), rows_of(x));
      }
    }
    if (saved->saved_data["bias"].toBool()) to_bias = rows_of(gradient).sum(0);
    return {to_x, to_weight, to_bias};
  }
};

}  // namespace

Tensor rows_of(const Tensor& x) { return x.dim() == 2 ? x : x.reshape({-1, x.size(-1)}); }

std::vector<int64_t> shape_with_last(const Tensor& x, int64_t last) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = last;
  return shape;
}

Tensor as_given(const Tensor& saved) {
  if (!saved.requires_grad() || saved.grad().defined()) return saved;
  const auto gathers = torch::autograd::impl::grad_accumulator(saved);
  const auto* node = dynamic_cast<const torch::autograd::AccumulateGrad*>(gathers.get());
  return node == nullptr ? saved : node->variable;
}

AddingGradients::AddingGradients() : before_(adding) { adding = true; }
AddingGradients::~AddingGradients() { adding = before_; }
bool AddingGradients::on() { return adding; }

Tensor dense_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (weight.scalar_type() == at::kBFloat16) return bf16_product(x, weight, widened(bias));
  // Without a bias an empty optional: an undefined tensor is no argument of a Function.
  const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  const bool graded =
      weight.requires_grad() || x.requires_grad() || (given && given->requires_grad());
  if (graded && at::GradMode::is_enabled()) {
    return DenseProduct::apply(x, weight, given);
  }
  return over_nonzeros(x, weight) ? sparse_product(x, weight, given) : folded(x, weight, given);
}

}  // namespace lethe
