#include "core/dense_product.h"

#include <atomic>
#include <optional>
#include <vector>

#include "core/autograd_function.h"

namespace lethe {
namespace {

/// Of the process: a device has its backward pass in a thread of autograd's.
std::atomic<bool> adding{false};

Tensor rows_of(const Tensor& x) { return x.dim() == 2 ? x : x.reshape({-1, x.size(-1)}); }

/// One GEMM over all rows. at::linear would choose between that and a batched product by what
/// requires a gradient, and so give other bits in training than in evaluation.
Tensor folded(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  if (x.dim() == 2) return at::linear(x, weight, bias);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return at::linear(rows_of(x), weight, bias).view(shape);
}

struct DenseProduct : torch::autograd::Function<DenseProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const Tensor& weight, const std::optional<Tensor>& bias) {
    saved->save_for_backward({x, weight});
    saved->saved_data["bias"] = bias && bias->requires_grad();
    return folded(x, weight, bias);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor &x = kept[0], &weight = kept[1], &gradient = gradients[0];
    Tensor to_x, to_weight, to_bias;
    if (saved->needs_input_grad(0)) to_x = rows_of(gradient).mm(weight).view_as(x);
    if (saved->needs_input_grad(1)) {
      Tensor& total = weight.mutable_grad();
      if (adding && total.defined()) {
        total.addmm_(rows_of(gradient).t(), rows_of(x));
      } else {
        to_weight = rows_of(gradient).t().mm(rows_of(x));
      }
    }
    if (saved->saved_data["bias"].toBool()) to_bias = rows_of(gradient).sum(0);
    return {to_x, to_weight, to_bias};
  }
};

}  // namespace

AddingGradients::AddingGradients() : before_(adding) { adding = true; }
AddingGradients::~AddingGradients() { adding = before_; }

Tensor dense_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  // Without a bias an empty optional: an undefined tensor is no argument of a Function.
  const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  if (!weight.requires_grad() || !at::GradMode::is_enabled()) return folded(x, weight, given);
  return DenseProduct::apply(x, weight, given);
}

}  // namespace lethe
