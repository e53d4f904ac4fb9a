#include "core/embedding.h"

#include "core/autograd_function.h"
#include "core/bf16_values.h"
#include "core/capture.h"
#include "core/dense_product.h"
#include "core/device_kernels.h"

namespace lethe {
namespace {

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& given,
                        const Tensor& weight, double epsilon) {
    const Tensor x = given.contiguous();
    const int64_t width = x.size(-1), rows = x.numel() / width;
    Tensor y = at::empty_like(x), roots = at::empty({rows}, x.options());
    rms_norm_on(x.device(), x.const_data_ptr<float>(), weight.const_data_ptr<float>(), rows, width,
                epsilon, y.mutable_data_ptr<float>(), roots.mutable_data_ptr<float>());
    saved->save_for_backward({x, weight, roots});
    return y;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor &x = kept[0], &weight = kept[1], g = gradients[0].contiguous();
    Tensor to_x = at::empty_like(x), to_weight;
    if (saved->needs_input_grad(1)) to_weight = at::empty_like(weight);
    rms_norm_back_on(x.device(), x.const_data_ptr<float>(), weight.const_data_ptr<float>(),
                     kept[2].const_data_ptr<float>(), g.const_data_ptr<float>(), kept[2].numel(),
                     x.size(-1), to_x.mutable_data_ptr<float>(),
                     to_weight.defined() ? to_weight.mutable_data_ptr<float>() : nullptr);
    return {to_x, to_weight, Tensor()};
  }
};

Tensor over_roots(const Tensor& x, double epsilon) {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + epsilon);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon) {
  const bool known = has_kernels(x) && has_kernels(weight) && x.numel() > 0;
  return known ? RmsNorm::apply(x, weight, epsilon) : over_roots(x, epsilon) * weight;
}

}  // namespace

Embedding::Embedding(std::string name, Tensor weight, int64_t padding_row)
    : Seam(std::move(name), SeamKind::embedding),
      weight_(std::move(weight)),
      padding_row_(padding_row) {
  weight_.set_requires_grad(true);
}

Tensor Embedding::forward(const Tensor& ids) const {
  const Tensor found = weight_.scalar_type() == at::kBFloat16
                           ? bf16_rows(weight_, ids, padding_row_)
                           : at::embedding(weight_, ids, padding_row_);
  detail::record(Capture::Kind::lookup, weight_, ids, found);
  if (!detail::recording() || padding_row_ < 0) return found;
  return at::where(ids.eq(padding_row_).unsqueeze(-1), found.detach(), found);  // no gradient there
}

Tensor Embedding::as_head(const Tensor& hidden) const {
  const Tensor logits = dense_product(hidden, weight_, {});
  detail::record(Capture::Kind::product, weight_, hidden, logits);
  return logits;
}

void Embedding::parameters(const ParameterVisitor& visit) { visit(name() + ".weight", weight_); }

Norm::Norm(std::string name, Form form, int64_t width, double epsilon)
    : Seam(std::move(name), SeamKind::norm),
      form_(form),
      epsilon_(epsilon),
      weight_(at::ones({width}, at::kFloat).set_requires_grad(true)) {
  if (form == Form::layer) bias_ = at::zeros({width}, at::kFloat).set_requires_grad(true);
}

Tensor Norm::forward(const Tensor& x) const {
  if (form_ == Form::layer) {
    const Tensor y = at::layer_norm(x, weight_.sizes(), widened(weight_), widened(bias_), epsilon_);
    if (detail::recording()) {
      const Tensor plain = at::layer_norm(x.detach(), weight_.sizes(), {}, {}, epsilon_);
      detail::record(Capture::Kind::gain, weight_, plain, y, bias_);
    }
    return y;
  }
  const Tensor y = rms_norm(x, widened(weight_), epsilon_);
  if (detail::recording()) {
    detail::record(Capture::Kind::gain, weight_, over_roots(x.detach(), epsilon_), y);
  }
  return y;
}

void Norm::parameters(const ParameterVisitor& visit) {
  visit(name() + ".weight", weight_);
  if (bias_.defined()) visit(name() + ".bias", bias_);
}

}  // namespace lethe
