#include "core/adapters/ia3.h"

#include "core/bf16_values.h"
#include "core/capture.h"
#include "core/memory.h"

namespace lethe {

Ia3Adapter::Ia3Adapter(const Linear& seam, bool on_input) : on_input_(on_input) {
  const MemoryTag tag(Category::adapters);
  scale_ = on_input ? at::ones({1, seam.in_features()}, at::kFloat)
                    : at::ones({seam.out_features(), 1}, at::kFloat);
  scale_.set_requires_grad(true);
}

Ia3Adapter::Ia3Adapter(const AdapterForm& form)
    : on_input_(form.on_input), scale_(form.values.at("ia3_l")) {}

Tensor Ia3Adapter::input(const Tensor& x) const { return on_input_ ? scaled(x) : x; }

Tensor Ia3Adapter::output(const Tensor&, const Tensor& so_far) const {
  return on_input_ ? so_far : scaled(so_far);
}

Tensor Ia3Adapter::scaled(const Tensor& x) const {
  const Tensor y = x * scale_.view(-1);
  detail::record(Capture::Kind::gain, scale_, x, y);
  return y;
}

void Ia3Adapter::parameters(const ParameterVisitor& visit) { visit("ia3_l", scale_); }

void Ia3Adapter::merge(Tensor& weight, Tensor& bias) const {
  const at::NoGradGuard no_grad;
  weight.mul_(scale_);
  if (!on_input_ && bias.defined()) bias.mul_(scale_.view(-1));
}

std::optional<AdapterForm> Ia3Adapter::form() const {
  AdapterForm form;
  form.kind = AdapterForm::Kind::ia3;
  form.values = {{"ia3_l", widened(scale_.detach())}};
  form.on_input = on_input_;
  return form;
}

}  // namespace lethe
