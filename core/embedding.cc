#include "core/embedding.h"

#include "core/capture.h"
#include "core/dense_product.h"

namespace lethe {

Embedding::Embedding(std::string name, Tensor weight, int64_t padding_row)
    : Seam(std::move(name), SeamKind::embedding),
      weight_(std::move(weight)),
      padding_row_(padding_row) {
  weight_.set_requires_grad(true);
}

Tensor Embedding::forward(const Tensor& ids) const {
  const Tensor found = at::embedding(weight_, ids, padding_row_);
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
    const Tensor y = at::layer_norm(x, weight_.sizes(), weight_, bias_, epsilon_);
    if (detail::recording()) {
      const Tensor plain = at::layer_norm(x.detach(), weight_.sizes(), {}, {}, epsilon_);
      detail::record(Capture::Kind::gain, weight_, plain, y, bias_);
    }
    return y;
  }
  const Tensor plain = x * at::rsqrt(x.pow(2).mean(-1, true) + epsilon_);
  const Tensor y = plain * weight_;
  detail::record(Capture::Kind::gain, weight_, plain, y);
  return y;
}

void Norm::parameters(const ParameterVisitor& visit) {
  visit(name() + ".weight", weight_);
  if (bias_.defined()) visit(name() + ".bias", bias_);
}

}  // namespace lethe
