// The formats of a base under a Linear: a product is that of the dense weight it stands for.
#include "tests/catch.h"
// After Catch.
#include "core/base_weight.h"
#include "core/seeds.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

struct Product {
  Tensor y, x_gradient, bias_gradient;
};

/// y and, for the loss sum(y * c), the gradients of x and of the bias where there is one.
Product product(const BaseWeight& base, const Tensor& x, const Tensor& bias, const Tensor& c) {
  Tensor input = x.detach().clone().set_requires_grad(true);
  Tensor offset = bias.defined() ? bias.detach().clone().set_requires_grad(true) : Tensor();
  const Tensor y = base.apply(input, offset);
  torch::autograd::backward({(y * c).sum()}, {});
  return {y.detach(), input.grad(), offset.defined() ? offset.grad() : Tensor()};
}

}  // namespace

TEST_CASE("the product with a base of any format is that of its dense weight") {
  const auto generator = make_generator(1);
  const Tensor weight = at::randn({90, 70}, generator), x = at::randn({2, 3, 70}, generator);
  const Tensor bias = at::randn({90}, generator), c = at::randn({2, 3, 90}, generator);
  for (const std::string& format : base_formats()) {
    const auto base = make_base(format, weight);
    CHECK(base->format() == format);
    const auto dense = make_dense(base->dense().detach().clone());
    // LLM.int8() rounds x as well: half a step of x's row maximum in 254.
    const double near = format == "int8" ? 0.2 : 1e-5;
    for (const Tensor& offset : {bias, Tensor()}) {
      CAPTURE(format, offset.defined());
      const Product ours = product(*base, x, offset, c), plain = product(*dense, x, offset, c);
      CHECK((ours.y - plain.y).abs().max().item<double>() < near);
      CHECK(ours.x_gradient.allclose(plain.x_gradient, 1e-5, 1e-5));
      REQUIRE(ours.bias_gradient.defined() == offset.defined());
      if (offset.defined()) CHECK(ours.bias_gradient.allclose(plain.bias_gradient, 1e-6, 1e-6));
    }
    const Tensor again = make_base(format, base->dense().detach().clone())->dense();
    if (!format.ends_with("-dq"))
      CHECK(again.allclose(base->dense(), 1e-6, 0));  // nothing more is lost
  }
}

TEST_CASE("formats lose what their bits say") {
  const auto generator = make_generator(3);
  const Tensor weight = at::randn({64, 256}, generator);
  const auto lost = [&](const std::string& format) {
    return (make_base(format, weight)->dense() - weight).abs().mean().item<double>();
  };
  // Of normal values in blocks of 64 (docs/kernels.md): 0.0728 and 0.0965 of the deviation.
  CHECK(lost("nf4") == Approx(0.0728).margin(0.002));
  CHECK(lost("nf4-dq") == Approx(0.0728).margin(0.002));
  CHECK(lost("fp4") == Approx(0.0965).margin(0.002));
  // A quarter of a step of the row's maximum / 127, about 2.8 / 127.
  CHECK(lost("int8") == Approx(2.8 / 127 / 4).margin(0.001));
  CHECK(lost("bf16") < 0.002);
  CHECK(lost("float") == 0);
}

TEST_CASE("a base that no format names lists them, and a block must be a power of two") {
  CHECK_THROWS_WITH(make_base("nf5", at::zeros({2, 2})),
                    Contains("'nf5'; known formats: float, bf16, int8, nf4, nf4-dq, fp4"));
  CHECK_THROWS_WITH(make_nf4(at::zeros({2, 2}), 48), Contains("48"));
}

TEST_CASE("a frozen bias gets no gradient from the product with an NF4 base") {
  const auto generator = make_generator(2);
  const auto base = make_nf4(at::randn({4, 6}, generator));
  Tensor x = at::randn({5, 6}, generator).set_requires_grad(true);
  const Tensor bias = at::randn({4}, generator);
  torch::autograd::backward({base->apply(x, bias).sum()}, {});
  CHECK(x.grad().defined());
  CHECK_FALSE(bias.grad().defined());
}
