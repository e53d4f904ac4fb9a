#include "core/adapters/dora.h"

#include "core/bf16_values.h"
#include "core/capture.h"
#include "core/error.h"
#include "core/memory.h"

namespace lethe {
namespace {

/// Squared norms (out) of the base's rows.
Tensor row_squares(Linear& seam) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::adapters);
  Tensor squares = seam.base().dense().square().sum(1);
  if (squares.min().item<double>() == 0) {
    fail(
        "dora: row {} of '{}' is zero, so it has no direction to keep; leave '{}' out of targets "
        "or choose lora",
        squares.argmin().item<int64_t>(), seam.name(), seam.name());
  }
  return squares;
}

}  // namespace

DoraAdapter::DoraAdapter(const LowRankOptions& options, Linear& seam, Model& model,
                         at::Generator generator)
    : LowRankAdapter(options, seam, model, std::move(generator)),
      seam_(seam),
      squares_(row_squares(seam)) {
  const MemoryTag tag(Category::adapters);
  magnitude_ = squares_.sqrt();
  magnitude_.set_requires_grad(true);
}

DoraAdapter::DoraAdapter(const AdapterForm& form, Linear& seam, Model& model)
    : LowRankAdapter(form, seam, model),
      seam_(seam),
      squares_(row_squares(seam)),
      magnitude_(form.values.at("lora_magnitude_vector")) {}

Tensor DoraAdapter::output(const Tensor& x, const Tensor& so_far) const {
  const Tensor lengths = norms();
  const Tensor ratio = magnitude_ / lengths;
  if (!detail::recording() && !drops() && !seam_.bias().defined()) {
    return LowRankAdapter::output(x, so_far) * ratio;
  }
  const Tensor kept = dropped(x);
  Tensor plain = so_far;
  if (drops()) {
    plain = seam_.base().apply(kept, {});
  } else if (seam_.bias().defined()) {
    plain = so_far - seam_.bias();
  }
  const Tensor turned = product(kept) * scale();
  const Tensor y = so_far + (ratio - 1) * plain + ratio * turned;
  if (detail::recording()) {
    detail::record(Capture::Kind::gain, magnitude_, (plain + turned) / lengths, y);
  }
  return y;
}

void DoraAdapter::parameters(const ParameterVisitor& visit) {
  LowRankAdapter::parameters(visit);
  visit("lora_magnitude_vector", magnitude_);
}

void DoraAdapter::merge(Tensor& weight, Tensor& bias) const {
  const at::NoGradGuard no_grad;
  LowRankAdapter::merge(weight, bias);
  weight.mul_((magnitude_ / norms()).unsqueeze(1));
}

std::optional<AdapterForm> DoraAdapter::form() const {
  std::optional<AdapterForm> form = LowRankAdapter::form();
  form->kind = AdapterForm::Kind::dora;
  form->values["lora_magnitude_vector"] = widened(magnitude_.detach());
  return form;
}

Tensor DoraAdapter::norms() const {
  const at::NoGradGuard no_grad;
  const double s = scale();
  const Tensor a = widened(a_), b = widened(b_);
  const Tensor crossed = seam_.base().apply(a, {}).t();  // W A^T (out, rank)
  const Tensor own = at::matmul(b, at::matmul(a, a.t()));
  const Tensor squares = squares_ + (b * crossed).sum(1) * (2 * s) + (own * b).sum(1) * (s * s);
  return squares.sqrt();
}

}  // namespace lethe
