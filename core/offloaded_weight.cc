#include "core/offloaded_weight.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/autograd_function.h"
#include "core/dense_product.h"
#include "core/matrix_product.h"
#include "core/memory.h"

namespace lethe {
namespace {

/// A base's tensors on the device while it lives.
class OnDevice {
 public:
  OnDevice(BaseWeight& base, const at::Device& device) {
    const MemoryTag tag(Category::workspace);
    base.parameters("", [&](const std::string&, Tensor& value) {
      host_.emplace_back(value, value.detach());
      value.set_data(value.to(device));
    });
  }
  ~OnDevice() {
    for (auto& [value, host] : host_) value.set_data(host);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  std::vector<std::pair<Tensor, Tensor>> host_;
};

}  // namespace

struct OffloadedProduct : torch::autograd::Function<OffloadedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const std::optional<Tensor>& bias, const OffloadedWeight* weight) {
    saved->saved_data["weight"] = reinterpret_cast<int64_t>(weight);
    saved->saved_data["bias"] = bias && bias->requires_grad();
    const OnDevice there(*weight->base_, weight->device_);
    return weight->base_->apply(x, bias ? *bias : Tensor());
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto* weight =
        reinterpret_cast<const OffloadedWeight*>(saved->saved_data["weight"].toInt());
    const Tensor& gradient = gradients[0];
    Tensor to_x, to_bias;
    if (saved->saved_data["bias"].toBool()) to_bias = rows_of(gradient).sum(0);
    if (saved->needs_input_grad(0)) to_x = weight->multiply_back(gradient);
    return {to_x, to_bias, {}};
  }
};

OffloadedWeight::OffloadedWeight(std::unique_ptr<BaseWeight> base, const at::Device& device)
    : base_(std::move(base)), device_(device) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::base_weights);
  base_->parameters("", [](const std::string&, Tensor& value) {
    if (!value.is_cpu()) value.set_data(value.cpu());
  });
}

Tensor OffloadedWeight::apply(const Tensor& x, const Tensor& bias) const {
  const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  return OffloadedProduct::apply(x, given, this);
}

Tensor OffloadedWeight::dense() const {
  const at::NoGradGuard no_grad;
  const OnDevice there(*base_, device_);
  return base_->dense().detach();
}

Tensor OffloadedWeight::multiply_back(const Tensor& g) const {
  const at::NoGradGuard no_grad;
  const OnDevice there(*base_, device_);
  const Tensor weight = base_->dense();
  if (base_->format() != std::string_view("float")) return at::matmul(g, weight);
  return product(rows_of(g), weight).view(shape_with_last(g, weight.size(1)));
}

void OffloadedWeight::parameters(const std::string& prefix, const ParameterVisitor& visit) {
  base_->parameters(prefix, visit);
}

}  // namespace lethe
