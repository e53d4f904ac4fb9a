#include "core/quantised_weight.h"

#include <optional>

#include "core/autograd_function.h"
#include "core/bf16_values.h"
#include "core/dense_product.h"
#include "core/device_kernels.h"
#include "core/memory.h"
#include "core/sliced_product.h"

namespace lethe {
namespace {

/// Gradient to x, and to the bias where it is trained.
struct QuantisedProduct : torch::autograd::Function<QuantisedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const std::optional<Tensor>& bias, const QuantisedWeight* weight) {
    saved->saved_data["weight"] = reinterpret_cast<int64_t>(weight);
    saved->saved_data["bias"] = bias && bias->requires_grad();
    const Tensor rows = rows_of(x).contiguous();
    const Tensor added = bias ? bias->contiguous() : Tensor();
    Tensor y;
    if (x.is_cpu()) {
      y = at::empty({rows.size(0), weight->out()}, rows.options());
      weight->multiply(rows, added.defined() ? added.const_data_ptr<float>() : nullptr, y);
    } else {
      y = weight->multiply_there(rows, added);
    }
    return y.view(shape_with_last(x, weight->out()));
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto* weight =
        reinterpret_cast<const QuantisedWeight*>(saved->saved_data["weight"].toInt());
    Tensor to_x, to_bias;
    if (saved->saved_data["bias"].toBool()) to_bias = rows_of(gradients[0]).sum(0);
    if (saved->needs_input_grad(0)) to_x = weight->multiply_back(gradients[0]);
    return {to_x, to_bias, {}};
  }
};

}  // namespace

bool has_codes(const std::string& format) { return format != "float" && format != "bf16"; }

Tensor QuantisedWeight::apply(const Tensor& x, const Tensor& bias) const {
  // Without a bias an empty optional: an undefined tensor is no argument of a Function.
  const std::optional<Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  return QuantisedProduct::apply(x, given, this);
}

void QuantisedWeight::multiply(const Tensor& x, const float* bias, Tensor& y) const {
  with_tiles([&](const kernels::TiledWeight& tiles) { multiply_tiles(x, tiles, bias, y); });
}

Tensor QuantisedWeight::multiply_there(const Tensor& x, const Tensor& bias) const {
  return multiply_slices(
      x, out_, slice_unit(), [this](int64_t from, int64_t n) { return rows(from, n); }, bias);
}

Tensor QuantisedWeight::multiply_back(const Tensor& gy) const {
  const Tensor given = rows_of(gy).contiguous();
  Tensor gx;
  if (gy.is_cpu()) {
    gx = at::empty({given.size(0), in_}, given.options());
    with_tiles([&](const kernels::TiledWeight& tiles) { multiply_tiles_back(given, tiles, gx); });
  } else {
    gx = multiply_slices_back(given, in_, slice_unit(),
                              [this](int64_t from, int64_t n) { return rows(from, n); });
  }
  return gx.view(shape_with_last(gy, in_));
}

Tensor QuantisedWeight::dense_on_cpu() const {
  const MemoryTag tag(Category::workspace);
  Tensor dense = at::empty({out_, in_}, at::kFloat);
  with_tiles([&](const kernels::TiledWeight& tiles) {
    float* to = dense.mutable_data_ptr<float>();
    for (int64_t row = 0; row < out_; ++row) tiles.read(row, 0, in_, to + row * in_);
  });
  return dense;
}

namespace {

class Int8Weight : public QuantisedWeight {
 public:
  Int8Weight(const Tensor& weight, float threshold)
      : QuantisedWeight(weight.size(0), weight.size(1)), threshold_(threshold) {
    const MemoryTag tag(Category::base_weights);
    const Tensor dense = on_cpu(weight);
    codes_ = at::empty({out(), in()}, dense.options().dtype(at::kChar));
    absmax_ = at::empty({out()}, dense.options());
    kernels::quantize_rows_int8(dense.const_data_ptr<float>(), out(), in(), 0,
                                codes_.mutable_data_ptr<int8_t>(),
                                absmax_.mutable_data_ptr<float>());
    codes_ = codes_.to(weight.device());
    absmax_ = absmax_.to(weight.device());
  }
  Int8Weight(Tensor codes, Tensor absmax, float threshold)
      : QuantisedWeight(codes.size(0), codes.size(1)),
        threshold_(threshold),
        codes_(std::move(codes)),
        absmax_(std::move(absmax)) {}

  float threshold() const { return threshold_; }

  void multiply(const Tensor& x, const float* bias, Tensor& y) const override {
    kernels::linear_int8(x.const_data_ptr<float>(), x.size(0), matrix(), threshold_, bias,
                         y.mutable_data_ptr<float>());
  }

  Tensor multiply_there(const Tensor& x, const Tensor& bias) const override {
    const Tensor y = at::empty({x.size(0), out()}, x.options());
    const MemoryTag tag(Category::workspace);
    linear_int8_on(x.device(), x.const_data_ptr<float>(), x.size(0), matrix(), threshold_,
                   bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                   y.mutable_data_ptr<float>());
    return y;
  }

  Tensor dense() const override {
    const MemoryTag tag(Category::workspace);
    return rows(0, out());
  }

  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", codes_);
    visit(prefix + ".weight.absmax", absmax_);
  }
  const char* format() const override { return "int8"; }

 protected:
  void with_tiles(const Use& use) const override { use(kernels::Int8Tiles(matrix())); }
  Tensor rows(int64_t from, int64_t n) const override {
    // A tensor: on a GPU libtorch divides by a number by multiplying with its reciprocal.
    const Tensor most = at::full({1}, 127, absmax_.options());
    return codes_.narrow(0, from, n)
        .to(at::kFloat)
        .mul_((absmax_.narrow(0, from, n) / most).unsqueeze(1));
  }

 private:
  kernels::Int8Matrix matrix() const {
    return {codes_.const_data_ptr<int8_t>(), absmax_.const_data_ptr<float>(), out(), in()};
  }

  float threshold_;
  Tensor codes_;   // (out, in) int8
  Tensor absmax_;  // (out) float32
};

class Bf16Weight : public BaseWeight {
 public:
  explicit Bf16Weight(const Tensor& weight) {
    const MemoryTag tag(Category::base_weights);
    values_ = weight.detach().contiguous().to(at::kBFloat16);
  }
  Tensor apply(const Tensor& x, const Tensor& bias) const override {
    return bf16_product(x, values_, bias);
  }
  Tensor multiply_back(const Tensor& gy) const override { return bf16_product_back(gy, values_); }
  Tensor dense() const override {
    const MemoryTag tag(Category::workspace);
    return values_.to(at::kFloat);
  }
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", values_);
  }
  const char* format() const override { return "bf16"; }

 private:
  Tensor values_;  // (out, in) bfloat16
};

}  // namespace

std::unique_ptr<BaseWeight> make_int8(const Tensor& weight, float threshold) {
  return std::make_unique<Int8Weight>(weight, threshold);
}

std::unique_ptr<BaseWeight> make_int8(Tensor codes, Tensor absmax, float threshold) {
  return std::make_unique<Int8Weight>(std::move(codes), std::move(absmax), threshold);
}

float outlier_threshold(const BaseWeight& weight) {
  const auto* int8 = dynamic_cast<const Int8Weight*>(&weight);
  return int8 == nullptr ? kUsualOutlier : int8->threshold();
}

std::unique_ptr<BaseWeight> make_bf16(const Tensor& weight) {
  return std::make_unique<Bf16Weight>(weight);
}

}  // namespace lethe
