#include "core/linear.h"

#include <cmath>
#include <string_view>

#include "core/bf16_values.h"
#include "core/capture.h"
#include "core/dense_product.h"
#include "core/error.h"
#include "core/offloaded_weight.h"

namespace lethe {

Seam::~Seam() = default;

void Seam::set_trainable(bool trainable) {
  parameters(
      [trainable](const std::string&, Tensor& value) { value.set_requires_grad(trainable); });
}

int64_t AdapterForm::rank() const { return values.at("lora_A.weight").size(0); }

double AdapterForm::scale() const {
  const auto r = static_cast<double>(rank());
  return alpha / (rslora ? std::sqrt(r) : r);
}

Adapter::~Adapter() = default;

int64_t Adapter::trainable_count() {
  int64_t count = 0;
  parameters([&count](const std::string&, Tensor& value) {
    if (value.requires_grad()) count += value.numel();
  });
  return count;
}

Linear::Linear(std::string name, Tensor weight, Tensor bias, SeamKind kind)
    : Seam(std::move(name), kind),
      in_(weight.size(1)),
      out_(weight.size(0)),
      base_(make_dense(std::move(weight))),
      bias_(std::move(bias)) {
  set_trainable(true);
}

Tensor Linear::forward(const Tensor& x) const {
  Tensor input = x;
  for (const auto& adapter : adapters_) input = adapter->input(input);
  Tensor y = base_->apply(input, widened(bias_));
  detail::record(const_cast<Linear*>(this), input, y);
  for (const auto& adapter : adapters_) y = adapter->output(x, y);
  return y;
}

std::vector<Tensor> forward_each(const std::vector<Linear*>& seams, const Tensor& x) {
  std::vector<Tensor> weights, biases, ys;
  for (Linear* seam : seams) {
    const Tensor* weight = seam->adapters().empty() ? seam->base().plain() : nullptr;
    if (weight == nullptr) break;
    weights.push_back(*weight);
    biases.push_back(widened(seam->bias()));
  }
  if (weights.size() < seams.size()) {
    for (const Linear* seam : seams) ys.push_back(seam->forward(x));
    return ys;
  }
  ys = dense_products(x, weights, biases);
  for (size_t i = 0; i < seams.size(); ++i) detail::record(seams[i], x, ys[i]);
  return ys;
}

void Linear::set_format(const std::string& format) {
  if (format == base_->format()) return;
  set_base(make_base(format, base_->dense().detach()));
}

void Linear::set_base(std::unique_ptr<BaseWeight> base) { base_ = std::move(base); }

bool Linear::offloaded() const {
  return dynamic_cast<const OffloadedWeight*>(base_.get()) != nullptr;
}

void Linear::offload(const at::Device& device) {
  if (!offloaded()) base_ = std::make_unique<OffloadedWeight>(std::move(base_), device);
}

void Linear::take_back() {
  if (offloaded()) set_base(static_cast<OffloadedWeight&>(*base_).take());
}

void Linear::remove_adapter(const Adapter* adapter) {
  std::erase_if(adapters_, [adapter](const auto& one) { return one.get() == adapter; });
}

void Linear::merge_adapters() {
  if (adapters_.empty()) return;
  // Not in place: a checkpoint's parameters may lie in a file that is mapped for reading.
  Tensor weight = base_->dense().detach().clone();
  Tensor bias = bias_.defined() ? widened(bias_.detach()).clone() : Tensor();
  for (const auto& adapter : adapters_) adapter->merge(weight, bias);
  set_base(make_dense(std::move(weight)));
  if (bias.defined()) bias_.set_data(bias);
  adapters_.clear();
}

void Linear::parameters(const ParameterVisitor& visit) {
  base_->parameters(name(), visit);
  if (bias_.defined()) visit(name() + ".bias", bias_);
  for (const auto& adapter : adapters_) {
    const std::string& set = adapter->set();
    const std::string prefix = name() + "." + (set.empty() ? "" : set + ".");
    adapter->parameters(
        [&](const std::string& parameter, Tensor& value) { visit(prefix + parameter, value); });
  }
}

void Linear::set_trainable(bool trainable) {
  trains_weight_ = trainable;
  const bool dense = base_->format() == std::string_view("float");
  base_->parameters(name(), [&](const std::string&, Tensor& value) {
    if (value.is_floating_point()) value.set_requires_grad(trainable && dense);
  });
  if (bias_.defined()) bias_.set_requires_grad(trainable);
}

}  // namespace lethe
