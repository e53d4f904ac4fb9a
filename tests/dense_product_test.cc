// The product with a dense weight beside libtorch's, gradients too.
#include "tests/catch.h"
// After Catch.
#include "core/dense_product.h"

using namespace lethe;

namespace {

/// 40 x 70 inputs of which the given share differs from zero, and a layer of 48 units.
struct ProductCase {
  explicit ProductCase(double share)
      : x(at::randn({40, 70}) * at::rand({40, 70}).lt(share)),
        weight((at::randn({48, 70}) / 8).requires_grad_()),
        bias(at::randn({48}).requires_grad_()),
        ahead(at::randn({40, 48})) {}
  Tensor x, weight, bias, ahead;
};

}  // namespace

TEST_CASE("images with few bright pixels have at::linear's values and gradients") {
  for (const double share : {0.0, 0.2, 0.9}) {
    const ProductCase one(share);
    const Tensor y = dense_product(one.x, one.weight, one.bias);
    (y * one.ahead).sum().backward();
    const Tensor weight = one.weight.detach().clone().requires_grad_();
    const Tensor expected = at::linear(one.x, weight, one.bias.detach());
    (expected * one.ahead).sum().backward();
    CHECK(y.allclose(expected, 1e-5, 1e-5));
    CHECK(one.weight.grad().allclose(weight.grad(), 1e-5, 1e-5));
    CHECK(one.bias.grad().allclose(one.ahead.sum(0), 1e-5, 1e-5));
    const at::NoGradGuard no_grad;
    CHECK(dense_product(one.x, one.weight, one.bias).equal(y));
  }
}

TEST_CASE("gradients are added where they lie, for dense and for dark images") {
  for (const double share : {0.2, 0.9}) {
    const ProductCase one(share);
    const Tensor start = at::randn({48, 70});
    Tensor total = start.clone();
    one.weight.mutable_grad() = total;
    {
      const AddingGradients adding;
      (dense_product(one.x, one.weight, one.bias) * one.ahead).sum().backward();
    }
    CHECK(one.weight.grad().is_same(total));
    CHECK(total.allclose(start + one.ahead.t().mm(one.x), 1e-5, 1e-5));
  }
}

TEST_CASE("inputs with a gradient of their own, wide types and narrow layers stay with the GEMM") {
  const ProductCase one(0.1);
  const Tensor x = one.x.clone().requires_grad_();
  CHECK(dense_product(x, one.weight, one.bias).equal(at::linear(one.x, one.weight, one.bias)));
  const Tensor wide = one.x.to(at::kDouble), weight = one.weight.detach().to(at::kDouble);
  CHECK(dense_product(wide, weight, {}).equal(at::linear(wide, weight)));
  const Tensor narrow = one.weight.detach().slice(0, 0, 10);
  CHECK(dense_product(one.x, narrow, {}).equal(at::linear(one.x, narrow)));
}
