#include "core/quantised_weight.h"

#include <optional>

#include "core/autograd_function.h"
#include "core/dense_product.h"
#include "core/memory.h"

namespace lethe {
namespace {

Tensor scratch_for(int64_t tokens, const kernels::TiledWeight& tiles) {
  const MemoryTag tag(Category::workspace);
  return at::empty({kernels::tile_scratch(tokens, tiles)}, at::kFloat);
}

/// x W^T tile by tile, forward and backward: no dense weight is ever whole. On a GPU the weight is
/// dense for the time of the product. Gradient to x, and to the bias where it is trained.
struct QuantisedProduct : torch::autograd::Function<QuantisedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& x,
                        const std::optional<Tensor>& bias, const QuantisedWeight* weight) {
    saved->saved_data["weight"] = reinterpret_cast<int64_t>(weight);
    saved->saved_data["bias"] = bias && bias->requires_grad();
    if (!x.is_cpu()) return at::linear(x, weight->dense(), bias);
    const Tensor rows = rows_of(x).contiguous();
    Tensor y = at::empty({rows.size(0), weight->out()}, rows.options());
    const Tensor added = bias ? bias->contiguous() : Tensor();
    weight->multiply(rows, added.defined() ? added.const_data_ptr<float>() : nullptr, y);
    return y.view(shape_with_last(x, weight->out()));
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto* weight =
        reinterpret_cast<const QuantisedWeight*>(saved->saved_data["weight"].toInt());
    const Tensor& gradient = gradients[0];
    Tensor to_x, to_bias;
    if (saved->saved_data["bias"].toBool()) {
      to_bias = rows_of(gradient).sum(0);
    }
    if (saved->needs_input_grad(0)) {
      if (gradient.is_cpu()) {
        const Tensor rows = rows_of(gradient).contiguous();
        to_x = at::empty({rows.size(0), weight->in()}, rows.options());
        weight->multiply_back(rows, to_x);
        to_x = to_x.view(shape_with_last(gradient, weight->in()));
      } else {
        to_x = at::matmul(gradient, weight->dense());
      }
    }
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
  with_tiles([&](const kernels::TiledWeight& tiles) {
    const Tensor scratch = scratch_for(x.size(0), tiles);
    kernels::multiply(x.const_data_ptr<float>(), x.size(0), tiles, bias,
                      scratch.mutable_data_ptr<float>(), y.mutable_data_ptr<float>());
  });
}

void QuantisedWeight::multiply_back(const Tensor& gy, Tensor& gx) const {
  with_tiles([&](const kernels::TiledWeight& tiles) {
    const Tensor scratch = scratch_for(gy.size(0), tiles);
    kernels::multiply_back(gy.const_data_ptr<float>(), gy.size(0), tiles,
                           scratch.mutable_data_ptr<float>(), gx.mutable_data_ptr<float>());
  });
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

  Tensor dense() const override {
    const MemoryTag tag(Category::workspace);
    return codes_.to(at::kFloat) * (absmax_ / 127).unsqueeze(1);
  }

  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", codes_);
    visit(prefix + ".weight.absmax", absmax_);
  }
  const char* format() const override { return "int8"; }

 protected:
  void with_tiles(const Use& use) const override { use(kernels::Int8Tiles(matrix())); }

 private:
  kernels::Int8Matrix matrix() const {
    return {codes_.const_data_ptr<int8_t>(), absmax_.const_data_ptr<float>(), out(), in()};
  }

  float threshold_;
  Tensor codes_;   // (out, in) int8
  Tensor absmax_;  // (out) float32
};

class Bf16Tiles : public kernels::TiledWeight {
 public:
  Bf16Tiles(const c10::BFloat16* values, int64_t rows, int64_t columns)
      : TiledWeight(rows, columns), values_(values) {}
  void read(int64_t row, int64_t column, int64_t n, float* out) const override {
    const c10::BFloat16* from = values_ + row * columns() + column;
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(from[i]);
  }

 private:
  const c10::BFloat16* values_;
};

class Bf16Weight : public QuantisedWeight {
 public:
  explicit Bf16Weight(const Tensor& weight) : QuantisedWeight(weight.size(0), weight.size(1)) {
    const MemoryTag tag(Category::base_weights);
    values_ = weight.detach().contiguous().to(at::kBFloat16);
  }
  Tensor dense() const override {
    const MemoryTag tag(Category::workspace);
    return values_.to(at::kFloat);
  }
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", values_);
  }
  const char* format() const override { return "bf16"; }

 protected:
  void with_tiles(const Use& use) const override {
    use(Bf16Tiles(values_.const_data_ptr<c10::BFloat16>(), out(), in()));
  }

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
