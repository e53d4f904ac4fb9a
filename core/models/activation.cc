#include "core/models/activation.h"

#include "core/autograd_function.h"
#include "core/device_kernels.h"
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

kernels::Gate gate_of(bool silu) { return silu ? kernels::Gate::silu : kernels::Gate::gelu_tanh; }

struct GatedProduct : torch::autograd::Function<GatedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& a, const Tensor& b,
                        bool silu) {
    const Tensor left = a.contiguous(), right = b.contiguous();
    Tensor y = at::empty_like(left), to_a = at::empty_like(left), to_b = at::empty_like(left);
    gated_on(y.device(), gate_of(silu), left.const_data_ptr<float>(), right.const_data_ptr<float>(),
             y.mutable_data_ptr<float>(), to_a.mutable_data_ptr<float>(),
             to_b.mutable_data_ptr<float>(), y.numel());
    saved->save_for_backward({to_a, to_b});
    return y;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor g = gradients[0].contiguous();
    Tensor ga = at::empty_like(g), gb = at::empty_like(g);
    gated_back_on(g.device(), g.const_data_ptr<float>(), kept[0].const_data_ptr<float>(),
                  kept[1].const_data_ptr<float>(), ga.mutable_data_ptr<float>(),
                  gb.mutable_data_ptr<float>(), g.numel());
    return {ga, gb, Tensor()};
  }
};

}  // namespace

Tensor gated(Activation activation, const Tensor& a, const Tensor& b) {
  const bool silu = activation == Activation::silu;
  const bool known = has_kernels(a) && has_kernels(b);
  if (!known || (!silu && activation != Activation::gelu_tanh)) return activated(activation, a) * b;
  if (at::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad())) {
    return GatedProduct::apply(a, b, silu);
  }
  const Tensor left = a.contiguous(), right = b.contiguous();
  Tensor y = at::empty_like(left);
  gated_on(y.device(), gate_of(silu), left.const_data_ptr<float>(), right.const_data_ptr<float>(),
           y.mutable_data_ptr<float>(), nullptr, nullptr, y.numel());
  return y;
}

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
