#include "core/base_weight.h"

#include <optional>

#include "core/autograd_function.h"
#include "core/cuda_device.h"
#include "core/dense_product.h"
#include "core/error.h"
#include "core/kernels/nf4.h"
#include "core/memory.h"

namespace lethe {

BaseWeight::~BaseWeight() = default;

namespace {

class DenseWeight : public BaseWeight {
 public:
  explicit DenseWeight(Tensor weight) : weight_(std::move(weight)) {}
  Tensor apply(const Tensor& x, const Tensor& bias) const override {
    return dense_product(x, weight_, bias);
  }
  Tensor dense() const override { return weight_; }
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", weight_);
  }
  const char* format() const override { return "float"; }

 private:
  Tensor weight_;
};

/// x W^T with W dequantised for the product and dropped after it, forward and backward: the graph
/// keeps the codes, never the dense weight. Gradient to x only.
struct QuantisedProduct : torch::autograd::Function<QuantisedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const std::optional<Tensor>& bias, const BaseWeight* weight) {
    saved->saved_data["weight"] = reinterpret_cast<int64_t>(weight);
    saved->saved_data["bias"] = bias && bias->requires_grad();
    return at::linear(x, weight->dense(), bias);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto* weight = reinterpret_cast<const BaseWeight*>(saved->saved_data["weight"].toInt());
    const Tensor& gradient = gradients[0];
    Tensor bias;
    if (saved->saved_data["bias"].toBool()) {
      bias = gradient.reshape({-1, gradient.size(-1)}).sum(0);
    }
    return {at::matmul(gradient, weight->dense()), bias, {}};
  }
};

class Nf4Weight : public BaseWeight {
 public:
  Nf4Weight(const Tensor& weight, int64_t block)
      : out_(weight.size(0)), in_(weight.size(1)), block_(block) {
    const MemoryTag tag(Category::base_weights);
    const Tensor dense = weight.detach().contiguous();
    const int64_t n = dense.numel();
    codes_ = at::empty({(n + 1) / 2}, dense.options().dtype(at::kByte));
    absmax_ = at::empty({(n + block - 1) / block}, dense.options());
    if (dense.is_cuda()) {
      cuda_quantize_nf4(dense, block, codes_, absmax_);
    } else {
      kernels::quantize_nf4(dense.data_ptr<float>(), n, block, codes_.data_ptr<uint8_t>(),
                            absmax_.data_ptr<float>());
    }
  }
  Tensor apply(const Tensor& x, const Tensor& bias) const override {
    // Without a bias an empty optional: an undefined tensor is no argument of a Function.
    const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
    return QuantisedProduct::apply(x, given, static_cast<const BaseWeight*>(this));
  }
  Tensor dense() const override {
    const MemoryTag tag(Category::workspace);
    Tensor out = at::empty({out_, in_}, absmax_.options());
    if (codes_.is_cuda()) {
      cuda_dequantize_nf4(codes_, absmax_, block_, out);
      return out;
    }
    kernels::dequantize_nf4(codes_.data_ptr<uint8_t>(), absmax_.data_ptr<float>(), out_ * in_,
                            block_, out.data_ptr<float>());
    return out;
  }
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", codes_);
    visit(prefix + ".weight.absmax", absmax_);
  }
  const char* format() const override { return "nf4"; }

 private:
  int64_t out_, in_, block_;
  Tensor codes_;   // ((out * in + 1) / 2) uint8
  Tensor absmax_;  // (ceil(out * in / block)) float32
};

}  // namespace

std::unique_ptr<BaseWeight> make_dense(Tensor weight) {
  return std::make_unique<DenseWeight>(std::move(weight));
}

std::unique_ptr<BaseWeight> make_nf4(const Tensor& weight, int64_t block) {
  return std::make_unique<Nf4Weight>(weight, block);
}

std::unique_ptr<BaseWeight> make_base(const std::string& format, const Tensor& weight) {
  if (format == "float") return make_dense(weight);
  if (format == "nf4") return make_nf4(weight);
  fail("unknown base format '{}'; known formats: float, nf4", format);
}

}  // namespace lethe
