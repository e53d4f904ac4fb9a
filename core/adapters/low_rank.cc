#include "core/adapters/low_rank.h"

#include <cmath>

#include "core/autograd_function.h"
#include "core/bf16_values.h"
#include "core/capture.h"
#include "core/dense_product.h"
#include "core/matrix_product.h"
#include "core/memory.h"

namespace lethe {
namespace {

/// so_far + scale B A x: the second product adds to what is there, forward and backward.
struct LowRankSum : torch::autograd::Function<LowRankSum> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& so_far,
                        const Tensor& x, const Tensor& a, const Tensor& b, double scale) {
    const Tensor inner = product(rows_of(x), a.t());
    saved->save_for_backward({x, inner, a, b});
    saved->saved_data["scale"] = scale;
    Tensor sum = rows_of(so_far).clone();
    add_product(sum, inner * scale, b.t());
    return sum.view_as(so_far);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor &x = kept[0], &inner = kept[1], &a = kept[2], &b = kept[3];
    const Tensor gradient = rows_of(gradients[0]);
    const double scale = saved->saved_data["scale"].toDouble();
    const Tensor to_inner = product(gradient, b).mul_(scale);
    Tensor to_x, to_a, to_b;
    if (saved->needs_input_grad(1)) to_x = product(to_inner, a).view_as(x);
    if (saved->needs_input_grad(2)) to_a = product(to_inner.t(), rows_of(x));
    if (saved->needs_input_grad(3)) to_b = product(inner.t(), gradient).t().mul_(scale);
    return {gradients[0], to_x, to_a, to_b, Tensor()};
  }
};

}  // namespace

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
  if (detail::recording()) return so_far + product(dropped(x)) * scale();
  return LowRankSum::apply(so_far, dropped(x), widened(a_), widened(b_), scale());
}

Tensor LowRankAdapter::product(const Tensor& x) const {
  const Tensor inner = at::linear(x, widened(a_));
  const Tensor outer = at::linear(inner, widened(b_));
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
  weight.add_(at::matmul(widened(b_), widened(a_)), scale());
}

std::optional<AdapterForm> LowRankAdapter::form() const {
  AdapterForm form;
  form.values = {{"lora_A.weight", widened(a_.detach())}, {"lora_B.weight", widened(b_.detach())}};
  form.alpha = options_.alpha;
  form.dropout = options_.dropout;
  form.rslora = options_.rslora;
  return form;
}

}  // namespace lethe
