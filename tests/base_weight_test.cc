// The NF4 base under a Linear: its product is the dense product of the weights it stands for.
#include "tests/catch.h"
// After Catch.
#include "core/base_weight.h"
#include "core/seeds.h"

using namespace lethe;

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

TEST_CASE("the product with an NF4 base is that of its dense weight, with and without a bias") {
  const auto generator = make_generator(1);
  const Tensor weight = at::randn({9, 7}, generator), x = at::randn({2, 3, 7}, generator);
  const Tensor bias = at::randn({9}, generator), c = at::randn({2, 3, 9}, generator);
  const auto quantised = make_nf4(weight);
  const auto dense = make_dense(quantised->dense());
  for (const Tensor& offset : {bias, Tensor()}) {
    CAPTURE(offset.defined());
    const Product ours = product(*quantised, x, offset, c), plain = product(*dense, x, offset, c);
    CHECK(ours.y.equal(plain.y));
    CHECK(ours.x_gradient.allclose(plain.x_gradient, 1e-6, 1e-6));
    REQUIRE(ours.bias_gradient.defined() == offset.defined());
    if (offset.defined()) CHECK(ours.bias_gradient.allclose(plain.bias_gradient, 1e-6, 1e-6));
  }
  CHECK((quantised->dense() - weight).abs().max().item<double>() > 1e-3);
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
