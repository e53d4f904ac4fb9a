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
