#include "core/dense_product.h"

#include <algorithm>
#include <atomic>

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

Tensor sparse_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  const Tensor added = bias.defined() ? bias.contiguous() : Tensor();
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
Tensor folded(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = product(rows_of(x), weight.t(), bias);
  return x.dim() == 2 ? y : y.view(shape_with_last(x, weight.size(0)));
}

/// gradient^T x; undefined where it was added to what the weight has.
Tensor gradient_of(const Tensor& weight, const Tensor& x, const Tensor& gradient, bool sparse) {
  Tensor& total = weight.mutable_grad();
  const bool here = adding && total.defined();
  if (sparse && (!here || total.is_contiguous())) {
    Tensor made = here ? total : at::zeros_like(weight);
    add_sparse_gradient(x, gradient, made);
    return here ? Tensor() : made;
  }
  if (!here) return product(rows_of(gradient).t(), rows_of(x));
  add_product(total, rows_of(gradient).t(), rows_of(x));
  return {};
}

/// Products of one input with several weights: its gradient is one sum. `biases` are those that
/// there are, and bit i of `biased` says whether weight i has one: autograd takes no undefined
/// tensors.
struct DenseProducts : torch::autograd::Function<DenseProducts> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* saved,
                                                const Tensor& x, at::TensorList weights,
                                                at::TensorList biases, int64_t biased) {
    // Without a gradient of any weight x is not needed.
    torch::autograd::variable_list kept{Tensor()}, ys;
    for (const Tensor& weight : weights) {
      if (weight.requires_grad()) kept[0] = x;
      kept.push_back(weight);
    }
    saved->save_for_backward(std::move(kept));
    saved->set_materialize_grads(false);
    const bool sparse = weights.size() == 1 && over_nonzeros(x, weights[0]);
    saved->saved_data["sparse"] = sparse;
    saved->saved_data["biased"] = biased;
    const Tensor* bias = biases.begin();
    for (size_t i = 0; i < weights.size(); ++i) {
      const Tensor added = has(biased, i) ? *bias++ : Tensor();
      ys.push_back(sparse ? sparse_product(x, weights[i], added) : folded(x, weights[i], added));
    }
    return ys;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const size_t n = gradients.size();
    const bool sparse = saved->saved_data["sparse"].toBool();
    const int64_t biased = saved->saved_data["biased"].toInt();
    torch::autograd::tensor_list to(1 + n);
    for (size_t i = 0; i < n; ++i) {
      const bool used = gradients[i].defined();
      const Tensor rows = used ? rows_of(gradients[i]) : Tensor();
      if (used && saved->needs_input_grad(0)) add_to_x(rows, as_given(kept[1 + i]), to[0]);
      if (used && saved->needs_input_grad(1 + i)) {
        to[1 + i] = gradient_of(as_given(kept[1 + i]), kept[0], rows, sparse);
      }
      if (!has(biased, i)) continue;
      to.push_back(used && saved->needs_input_grad(to.size()) ? rows.sum(0) : Tensor());
    }
    if (to[0].defined()) to[0] = to[0].view(shape_of_input(gradients, to[0]));
    to.resize(to.size() + 1);  // for `biased`
    return to;
  }

 private:
  static bool has(int64_t biased, size_t i) { return (biased >> i & 1) != 0; }

  static void add_to_x(const Tensor& rows, const Tensor& weight, Tensor& to_x) {
    if (to_x.defined()) {
      add_product(to_x, rows, weight);
    } else {
      to_x = product(rows, weight);
    }
  }

  static std::vector<int64_t> shape_of_input(const torch::autograd::tensor_list& gradients,
                                             const Tensor& to_x) {
    const auto defined = [](const Tensor& gradient) { return gradient.defined(); };
    const Tensor& some = *std::find_if(gradients.begin(), gradients.end(), defined);
    return shape_with_last(some, to_x.size(1));
  }
};

std::vector<Tensor> graded_products(const Tensor& x, at::TensorList weights,
                                    at::TensorList biases) {
  std::vector<Tensor> there;
  int64_t biased = 0;
  for (size_t i = 0; i < biases.size(); ++i) {
    if (!biases[i].defined()) continue;
    there.push_back(biases[i]);
    biased |= int64_t{1} << i;
  }
  return DenseProducts::apply(x, weights, at::TensorList(there), biased);
}

bool is_graded(const Tensor& x) { return x.defined() && x.requires_grad(); }

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
  if ((is_graded(x) || is_graded(weight) || is_graded(bias)) && at::GradMode::is_enabled()) {
    return graded_products(x, weight, bias)[0];
  }
  return over_nonzeros(x, weight) ? sparse_product(x, weight, bias) : folded(x, weight, bias);
}

std::vector<Tensor> dense_products(const Tensor& x, const std::vector<Tensor>& weights,
                                   const std::vector<Tensor>& biases) {
  if (is_graded(x) && at::GradMode::is_enabled()) {
    return graded_products(x, weights, biases);
  }
  std::vector<Tensor> ys;
  for (size_t i = 0; i < weights.size(); ++i) {
    ys.push_back(dense_product(x, weights[i], biases[i]));
  }
  return ys;
}

}  // namespace lethe
