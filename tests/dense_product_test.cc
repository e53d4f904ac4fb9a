// The product with a dense weight beside libtorch's, gradients too.
#include "tests/catch.h"
// After Catch.
#include <optional>

#include "core/dense_product.h"
#include "core/matrix_product.h"
#include "core/seeds.h"

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

TEST_CASE(
    "inputs with a gradient of their own, wide types and narrow layers are multiplied whole") {
  const ProductCase one(0.1);
  const Tensor x = one.x.clone().requires_grad_();
  const auto whole = [](const Tensor& given, const Tensor& weight, const Tensor& bias) {
    const at::NoGradGuard no_grad;
    return product(given, weight.t(), bias);
  };
  CHECK(dense_product(x, one.weight, one.bias).equal(whole(one.x, one.weight, one.bias)));
  const Tensor wide = one.x.to(at::kDouble), weight = one.weight.detach().to(at::kDouble);
  CHECK(dense_product(wide, weight, {}).equal(at::linear(wide, weight)));
  const Tensor narrow = one.weight.detach().slice(0, 0, 10);
  CHECK(dense_product(one.x, narrow, {}).equal(whole(one.x, narrow, {})));
}

TEST_CASE("LETHE_PRODUCTS says whose products are used") {
  CHECK(choose_own_products(nullptr, false));
  CHECK_FALSE(choose_own_products("", true));
  CHECK(choose_own_products("lethe", true));
  CHECK_FALSE(choose_own_products("libtorch", false));
  CHECK_THROWS_WITH(choose_own_products("mkl", false),
                    "LETHE_PRODUCTS is 'mkl'; expected lethe or libtorch");
}

TEST_CASE("products have libtorch's values to rounding, and a frozen weight's gradients too") {
  for (const int64_t rows : {3, 40, 300}) {
    for (const int64_t out : {8, 24, 300}) {
      CAPTURE(rows, out);
      const Tensor a = at::randn({rows, 70}, make_generator(1)), b = at::randn({out, 70});
      const Tensor bias = at::randn({out}), sum = a.mm(b.t());
      const auto near = [](const Tensor& ours, const Tensor& theirs) {
        return ((ours - theirs).abs().max() < 3e-6 * theirs.abs().max()).item<bool>();
      };
      CHECK(near(product(a, b.t(), bias), sum + bias));
      CHECK(near(product(sum, b), sum.mm(b)));
      Tensor total = at::ones({out, 70});
      add_product(total, sum.t(), a);
      CHECK(near(total, sum.t().mm(a) + 1));
      const Tensor x = a.clone().requires_grad_(), shift = bias.clone().requires_grad_();
      dense_product(x, b, shift).square().sum().backward();
      CHECK(near(x.grad(), (2 * (sum + bias)).mm(b)));
      CHECK(near(shift.grad(), (2 * (sum + bias)).sum(0)));
      CHECK(b.grad().defined() == false);
    }
  }
}

TEST_CASE("products of one x have the values and gradients of each by itself") {
  const at::Generator generator = make_generator(5);
  const auto drawn = [&](std::vector<int64_t> shape) { return at::randn(shape, generator); };
  const Tensor x = drawn({3, 4, 6}).requires_grad_();
  std::vector<Tensor> weights{drawn({5, 6}), drawn({7, 6}), drawn({2, 6})};
  const std::vector<Tensor> biases{drawn({5}).requires_grad_(), Tensor(), drawn({2})};
  weights[0].requires_grad_();
  weights[1].requires_grad_();
  const std::vector<Tensor> ahead{drawn({3, 4, 5}), drawn({3, 4, 7}), drawn({3, 4, 2})};
  const std::vector<Tensor> wanted{x, weights[0], weights[1], biases[0]};
  // Of two outputs, too, where the third is not used.
  for (const size_t used : {3, 2}) {
    const std::vector<Tensor> ys = dense_products(x, weights, biases);
    Tensor joint = at::zeros({}), apart = at::zeros({});
    for (size_t i = 0; i < used; ++i) {
      const std::optional<Tensor> bias =
          biases[i].defined() ? std::optional(biases[i]) : std::nullopt;
      const Tensor y = at::linear(x, weights[i], bias);
      CHECK(ys[i].sizes() == y.sizes());
      CHECK(ys[i].allclose(y, 1e-5, 1e-6));
      joint = joint + (ys[i] * ahead[i]).sum();
      apart = apart + (y * ahead[i]).sum();
    }
    const auto found = torch::autograd::grad({joint}, wanted);
    const auto expected = torch::autograd::grad({apart}, wanted);
    for (size_t g = 0; g < wanted.size(); ++g) CHECK(found[g].allclose(expected[g], 1e-5, 1e-5));
  }
}

TEST_CASE("products of one x add each weight's gradient where it lies") {
  const at::Generator generator = make_generator(6);
  const Tensor x = at::randn({8, 6}, generator).requires_grad_();
  const Tensor first = at::randn({5, 6}, generator).requires_grad_(), second = first.detach() + 1;
  const Tensor start = at::randn({5, 6}, generator);
  Tensor total = start.clone();
  first.mutable_grad() = total;
  {
    const AddingGradients adding;
    const std::vector<Tensor> ys = dense_products(x, {first, second}, {Tensor(), Tensor()});
    (ys[0].sum() + 2 * ys[1].sum()).backward();
  }
  CHECK(first.grad().is_same(total));
  CHECK(total.allclose(start + x.detach().sum(0), 1e-5, 1e-5));
  CHECK(x.grad().allclose((first.sum(0) + 2 * second.sum(0)).expand({8, 6}), 1e-5, 1e-5));
}
