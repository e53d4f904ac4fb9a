#include "core/offloaded_weight.h"

#include <optional>
#include <utility>
#include <vector>

#include "core/autograd_function.h"
#include "core/dense_product.h"
#include "core/memory.h"
#include "core/weight_stream.h"

namespace lethe {
namespace {

/// A base's tensors, as copies on the device, while it lives.
class OnDevice {
 public:
  OnDevice(BaseWeight& base, const std::vector<Tensor>& copies) {
    size_t number = 0;
    base.parameters("", [&](const std::string&, Tensor& value) {
      host_.emplace_back(value, value.detach());
      value.set_data(copies[number++]);
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
    const OnDevice there(*weight->base_, weight->stream_->take(*weight));
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
    : base_(std::move(base)), stream_(std::make_shared<WeightStream>(device)) {
  const at::NoGradGuard no_grad;
  const MemoryTag tag(Category::base_weights);
  base_->parameters("", [&](const std::string&, Tensor& value) {
    if (!value.is_cpu()) value.set_data(value.cpu());
    if (device.is_cuda()) value.set_data(cuda_pinned(value));
  });
}

OffloadedWeight::~OffloadedWeight() { stream_->forget(*this); }

void OffloadedWeight::come_by(std::shared_ptr<WeightStream> stream) {
  stream_->forget(*this);
  stream_ = std::move(stream);
}

std::vector<Tensor> OffloadedWeight::host_tensors() const {
  std::vector<Tensor> tensors;
  base_->parameters("",
                    [&](const std::string&, Tensor& value) { tensors.push_back(value.detach()); });
  return tensors;
}

std::unique_ptr<BaseWeight> OffloadedWeight::take() {
  stream_->forget(*this);
  return std::move(base_);
}

Tensor OffloadedWeight::apply(const Tensor& x, const Tensor& bias) const {
  const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  return OffloadedProduct::apply(x, given, this);
}

Tensor OffloadedWeight::dense() const {
  const at::NoGradGuard no_grad;
  const OnDevice there(*base_, stream_->take(*this));
  return base_->dense().detach();
}

Tensor OffloadedWeight::multiply_back(const Tensor& gy) const {
  const at::NoGradGuard no_grad;
  const OnDevice there(*base_, stream_->take(*this));
  return base_->multiply_back(gy);
}

void OffloadedWeight::parameters(const std::string& prefix, const ParameterVisitor& visit) {
  base_->parameters(prefix, visit);
}

}  // namespace lethe
