#include "core/embedding.h"

namespace lethe {

Embedding::Embedding(std::string name, Tensor weight, int64_t padding_row)
    : Seam(std::move(name), SeamKind::embedding),
      weight_(std::move(weight)),
      padding_row_(padding_row) {
  weight_.set_requires_grad(true);
}

Tensor Embedding::forward(const Tensor& ids) const {
  return at::embedding(weight_, ids, padding_row_);
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
    return at::layer_norm(x, weight_.sizes(), weight_, bias_, epsilon_);
  }
  return x * at::rsqrt(x.pow(2).mean(-1, true) + epsilon_) * weight_;
}

void Norm::parameters(const ParameterVisitor& visit) {
  visit(name() + ".weight", weight_);
  if (bias_.defined()) visit(name() + ".bias", bias_);
}

}  // namespace lethe
