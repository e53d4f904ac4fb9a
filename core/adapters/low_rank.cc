#include "core/adapters/low_rank.h"

#include <cmath>

#include "core/capture.h"
#include "core/memory.h"

namespace lethe {

LowRankAdapter::LowRankAdapter(const LowRankOptions& options, const Linear& seam, Model& model,
                               at::Generator generator)
    : options_(options), model_(model), in_(seam.in_features()), out_(seam.out_features()) {
  draw(std::move(generator));
}

LowRankAdapter::LowRankAdapter(const AdapterForm& form, const Linear& seam, Model& model)
    : a_(form.values.at("lora_A.weight")),
      b_(form.values.at("lora_B.weight")),
      model_(model),
      in_(seam.in_features()),
      out_(seam.out_features()) {
  options_.rank = form.rank();
  options_.alpha = form.alpha;
  options_.dropout = form.dropout;
  options_.rslora = form.rslora;
}

void LowRankAdapter::draw(at::Generator generator) {
  const MemoryTag tag(Category::adapters);
  const double bound = 1 / std::sqrt(static_cast<double>(in_));
  a_ = at::empty({options_.rank, in_}, at::kFloat).uniform_(-bound, bound, std::move(generator));
  b_ = at::zeros({out_, options_.rank}, at::kFloat);
  a_.set_requires_grad(true);
  b_.set_requires_grad(true);
}

Tensor LowRankAdapter::dropped(const Tensor& x) const {
  return on_ ? dropout(x, options_.dropout, model_.generator()) : x;
}

double LowRankAdapter::scale() const {
  const auto rank = static_cast<double>(options_.rank);
  return options_.alpha / (options_.rslora ? std::sqrt(rank) : rank);
}

Tensor LowRankAdapter::output(const Tensor& x, const Tensor& so_far) const {
  return so_far + product(dropped(x)) * scale();
}

Tensor LowRankAdapter::product(const Tensor& x) const {
  const Tensor inner = at::linear(x, a_);
  const Tensor outer = at::linear(inner, b_);
  detail::record(Capture::Kind::product, a_, x, inner);
  detail::record(Capture::Kind::product, b_, inner, outer);
  return outer;
}

void LowRankAdapter::parameters(const ParameterVisitor& visit) {
  visit("lora_A.weight", a_);
  visit("lora_B.weight", b_);
}

void LowRankAdapter::merge(Tensor& weight, Tensor&) const {
  const at::NoGradGuard no_grad;
  weight.add_(at::matmul(b_, a_), scale());
}

std::optional<AdapterForm> LowRankAdapter::form() const {
  AdapterForm form;
  form.values = {{"lora_A.weight", a_.detach()}, {"lora_B.weight", b_.detach()}};
  form.alpha = options_.alpha;
  form.dropout = options_.dropout;
  form.rslora = options_.rslora;
  return form;
}

}  // namespace lethe
