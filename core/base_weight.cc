#include "core/base_weight.h"

#include "core/bf16_values.h"
#include "core/dense_product.h"
#include "core/error.h"
#include "core/matrix_product.h"
#include "core/quantised_weight.h"

namespace lethe {

BaseWeight::~BaseWeight() = default;

namespace {

class DenseWeight : public BaseWeight {
 public:
  explicit DenseWeight(Tensor weight) : weight_(std::move(weight)) {}
  Tensor apply(const Tensor& x, const Tensor& bias) const override {
    return dense_product(x, weight_, bias);
  }
  Tensor multiply_back(const Tensor& gy) const override {
    if (weight_.scalar_type() == at::kBFloat16) return bf16_product_back(gy, weight_.detach());
    return product(rows_of(gy), weight_.detach()).view(shape_with_last(gy, weight_.size(1)));
  }
  Tensor dense() const override { return widened(weight_); }
  const Tensor* plain() const override {
    return weight_.scalar_type() == at::kFloat ? &weight_ : nullptr;
  }
  void parameters(const std::string& prefix, const ParameterVisitor& visit) override {
    visit(prefix + ".weight", weight_);
  }
  const char* format() const override { return "float"; }

 private:
  Tensor weight_;
};

}  // namespace

std::unique_ptr<BaseWeight> make_dense(Tensor weight) {
  return std::make_unique<DenseWeight>(std::move(weight));
}

std::unique_ptr<BaseWeight> make_nf4(const Tensor& weight, int64_t block) {
  return make_four_bit(kernels::FourBit::nf4, weight, false, block);
}

std::unique_ptr<BaseWeight> make_base(const std::string& format, const Tensor& weight,
                                      int64_t block) {
  if (format == "float") return make_dense(weight);
  if (format == "bf16") return make_bf16(weight);
  if (format == "int8") return make_int8(weight);
  const auto four_bit = format.starts_with("nf4") ? kernels::FourBit::nf4 : kernels::FourBit::fp4;
  const bool plain = format == "nf4" || format == "fp4";
  if (plain || format == "nf4-dq" || format == "fp4-dq") {
    return make_four_bit(four_bit, weight, /*nested=*/!plain, block);
  }
  fail("unknown base format '{}'; known formats: {}", format, fmt::join(base_formats(), ", "));
}

}  // namespace lethe
