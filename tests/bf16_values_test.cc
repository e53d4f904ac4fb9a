// Products and look-ups of values in bfloat16, against the same in float32 over what is stored.
#include "core/bf16_values.h"

#include "tests/catch.h"
// After Catch.
#include "core/dense_product.h"
#include "core/embedding.h"
#include "tests/tensors.h"
#include "tests/token_case.h"

using namespace lethe;

namespace {

Tensor drawn(std::vector<int64_t> shape, uint64_t seed) {
  return at::empty(shape, at::kFloat).normal_(0, 1, make_generator(seed));
}

Tensor narrow(const Tensor& value, bool trained) {
  return value.to(at::kBFloat16).set_requires_grad(trained);
}

/// Of a gradient in bfloat16: one rounding of the float32 one, whose own sum may round otherwise.
void check_rounded(const Tensor& found, const Tensor& exact) {
  REQUIRE(found.scalar_type() == at::kBFloat16);
  const Tensor off = (found.to(at::kFloat) - exact).abs();
  CHECK((off <= exact.abs() * 0x1p-8 + 1e-5).all().item<bool>());
  CHECK((found != exact.to(at::kBFloat16)).sum().item<int64_t>() <= exact.numel() / 100);
}

}  // namespace

TEST_CASE("a product with a bfloat16 weight is the float32 product with what it stores") {
  for (const int64_t out : {3, 64, 150}) {
    CAPTURE(out);
    const Tensor weight = drawn({out, 70}, 1), bias = drawn({out}, 2);
    Tensor x = drawn({5, 9, 70}, 3).set_requires_grad(true), twin = x.detach().clone();
    twin.set_requires_grad(true);
    const Tensor stored = narrow(weight, true), shift = narrow(bias, true);
    Tensor wide = stored.detach().to(at::kFloat), wide_bias = shift.detach().to(at::kFloat);
    wide.set_requires_grad(true);
    wide_bias.set_requires_grad(true);
    const Tensor y = dense_product(x, stored, shift), expected = at::linear(twin, wide, wide_bias);
    REQUIRE(y.scalar_type() == at::kFloat);
    CHECK(largest_difference(y, expected) < 1e-4);
    const Tensor g = drawn({5, 9, out}, 4);
    torch::autograd::backward({y}, {g});
    torch::autograd::backward({expected}, {g});
    CHECK(largest_difference(x.grad(), twin.grad()) < 1e-4);
    check_rounded(stored.grad(), wide.grad());
    check_rounded(shift.grad(), wide_bias.grad());
  }
}

TEST_CASE("a weight's gradient is added where gradients gather, rounded once a pass") {
  const Tensor stored = narrow(drawn({80, 33}, 1), true), x = drawn({6, 33}, 2);
  const Tensor g = drawn({6, 80}, 3);
  stored.mutable_grad() = at::ones({80, 33}, at::kBFloat16);
  const Tensor place = stored.grad();
  {
    const AddingGradients adding;
    torch::autograd::backward({dense_product(x, stored, {})}, {g});
  }
  CHECK(stored.grad().data_ptr() == place.data_ptr());
  check_rounded(place, at::matmul(g.t(), x) + 1);
}

TEST_CASE("rows of a bfloat16 table: a row looked up often gathers its gradient in float32") {
  const Tensor table = narrow(drawn({7, 12}, 1), true);
  std::vector<int64_t> often(300, 2);
  often.insert(often.end(), {0, 5, 5, 3});
  const Tensor ids = at::tensor(often, at::kLong).view({4, 76}), g = drawn({4, 76, 12}, 2);
  const Tensor found = bf16_rows(table, ids, 3);
  CHECK(found.equal(at::embedding(table.detach().to(at::kFloat), ids)));
  torch::autograd::backward({found}, {g});
  const Tensor exact = at::zeros({7, 12});
  exact.index_add_(0, ids.view(-1), g.view({-1, 12}));
  exact.select(0, 3).zero_();  // the padding
  check_rounded(table.grad(), exact);
  CHECK(table.grad().select(0, 3).eq(0).all().item<bool>());
  CHECK(table.grad().select(0, 1).eq(0).all().item<bool>());
}

TEST_CASE("frozen values become bfloat16, codes and what is trained stay") {
  const auto model = token_model(HfConfig::parse(token_config("gpt2"), "config.json"));
  model->set_trainable(false);
  Linear& coded = *model->linears()[1];
  coded.set_format("int8");
  Linear& trained = *model->linears()[2];
  trained.set_trainable(true);
  narrow_values(*model, false);
  for (const Parameter& parameter : model->parameters()) {
    CAPTURE(parameter.name);
    const bool scale = parameter.name == coded.name() + ".weight.absmax";
    const bool codes = parameter.name == coded.name() + ".weight";
    const bool stays =
        parameter.name == trained.name() + ".weight" || parameter.name == trained.name() + ".bias";
    CHECK(parameter.value.scalar_type() == (codes            ? at::kChar
                                            : scale || stays ? at::kFloat
                                                             : at::kBFloat16));
  }
  CHECK(model->linears()[0]->base().dense().scalar_type() == at::kFloat);
}
