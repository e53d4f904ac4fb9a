#include "core/models/activation.h"

#include "core/autograd_function.h"
#include "core/kernels/gelu.h"

namespace lethe {
namespace {

struct GeluTanh : torch::autograd::Function<GeluTanh> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& given) {
    const Tensor x = given.contiguous();
    Tensor y = at::empty_like(x), slope = at::empty_like(x);
    kernels::gelu_tanh(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
                       slope.mutable_data_ptr<float>(), x.numel());
    saved->save_for_backward({slope});
    return y;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    return {gradients[0] * saved->get_saved_variables()[0]};
  }
};

Tensor gelu_tanh(const Tensor& x) {
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) return at::gelu(x, "tanh");
  if (x.requires_grad() && at::GradMode::is_enabled()) return GeluTanh::apply(x);
  const Tensor flat = x.contiguous();
  Tensor y = at::empty_like(flat);
  kernels::gelu_tanh(flat.const_data_ptr<float>(), y.mutable_data_ptr<float>(), nullptr, y.numel());
  return y;
}

}  // namespace

Tensor activated(Activation activation, const Tensor& x) {
  switch (activation) {
    case Activation::relu:
      return x.relu();
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    default:
      return at::silu(x);
  }
}

}  // namespace lethe
