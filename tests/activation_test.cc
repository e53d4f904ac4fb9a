// The feed-forward nonlinearities beside libtorch's, gradients too.
#include "tests/catch.h"
// After Catch.
#include "core/models/activation.h"

using namespace lethe;

TEST_CASE("gelu's tanh form has libtorch's values and gradient, with and without a graph") {
  const Tensor x = at::randn({3, 5, 40}) * 4;
  const Tensor mine = x.clone().requires_grad_();
  const Tensor theirs = x.to(at::kDouble).requires_grad_();  // exact beside float32
  const Tensor weights = at::rand({3, 5, 40}) + 0.5;         // the slope is within 1e-6
  const Tensor y = activated(Activation::gelu_tanh, mine);
  const Tensor expected = at::gelu(theirs, "tanh");
  (y * weights).sum().backward();
  (expected * weights).sum().backward();
  CHECK(y.to(at::kDouble).allclose(expected, 1e-6, 1e-6));
  CHECK(mine.grad().to(at::kDouble).allclose(theirs.grad(), 1e-6, 2e-6));
  CHECK(activated(Activation::gelu_tanh, x).equal(y.detach()));
  // A view that is no one block of memory.
  const Tensor turned = x.transpose(0, 2);
  CHECK(activated(Activation::gelu_tanh, turned).equal(y.detach().transpose(0, 2)));
}

TEST_CASE("other types and activations are libtorch's own") {
  const Tensor x = at::randn({4, 9});
  CHECK(activated(Activation::gelu_tanh, x.to(at::kDouble))
            .equal(at::gelu(x.to(at::kDouble), "tanh")));
  CHECK(activated(Activation::gelu, x).equal(at::gelu(x)));
  CHECK(activated(Activation::relu, x).equal(x.relu()));
  CHECK(activated(Activation::silu, x).equal(at::silu(x)));
}

TEST_CASE("a gated product has libtorch's values and gradients, with and without a graph") {
  for (const Activation activation : {Activation::gelu_tanh, Activation::silu, Activation::relu}) {
    const Tensor x = at::randn({3, 5, 40}) * 4, z = at::randn({3, 5, 40});
    const Tensor a = x.clone().requires_grad_(), b = z.clone().requires_grad_();
    const Tensor exact_a = x.to(at::kDouble).requires_grad_();
    const Tensor exact_b = z.to(at::kDouble).requires_grad_();
    const Tensor weights = at::rand({3, 5, 40}) + 0.5;
    const Tensor y = gated(activation, a, b);
    const Tensor expected = activated(activation, exact_a) * exact_b;
    (y * weights).sum().backward();
    (expected * weights).sum().backward();
    CHECK(y.to(at::kDouble).allclose(expected, 1e-6, 2e-6));
    CHECK(a.grad().to(at::kDouble).allclose(exact_a.grad(), 1e-6, 4e-6));
    CHECK(b.grad().to(at::kDouble).allclose(exact_b.grad(), 1e-6, 4e-6));
    CHECK(gated(activation, x, z).equal(y.detach()));
    CHECK(
        gated(activation, x.transpose(0, 2), z.transpose(0, 2)).equal(y.detach().transpose(0, 2)));
  }
}
