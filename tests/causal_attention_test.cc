// The causal attention of training beside libtorch's, gradients too.
#include "tests/catch.h"
// After Catch.
#include "core/models/causal_attention.h"
#include "core/seeds.h"

using namespace lethe;

namespace {

/// Queries of 4 heads and keys and values of 2, as views of one product (B, T, 8, D).
struct HeadCase {
  explicit HeadCase(int64_t width, int64_t tokens)
      : all(drawn({3, tokens, 8, width}, 1).requires_grad_()),
        ahead(drawn({3, 4, tokens, width}, 2)) {}
  static Tensor drawn(at::IntArrayRef shape, uint64_t seed) {
    return at::empty(shape, at::kFloat).normal_(0, 1, make_generator(seed));
  }
  Tensor part(int64_t first, int64_t heads) const {
    return all.narrow(2, first, heads).transpose(1, 2);
  }
  Tensor all, ahead;
};

Tensor expected_of(const HeadCase& one, double scale) {
  const Tensor k = one.part(4, 2).repeat_interleave(2, 1),
               v = one.part(6, 2).repeat_interleave(2, 1);
  return at::scaled_dot_product_attention(one.part(0, 4), k, v, {}, 0.0, true, scale);
}

}  // namespace

TEST_CASE("narrow heads have libtorch's attention and gradients, keys shared by heads") {
  for (const int64_t width : {8, 20, 64}) {
    for (const int64_t tokens : {1, 5, 70}) {
      CAPTURE(width, tokens);
      const HeadCase mine(width, tokens);
      HeadCase theirs = mine;
      theirs.all = mine.all.detach().clone().requires_grad_();
      REQUIRE(takes_causal_attention(mine.part(0, 4), mine.part(4, 2), mine.part(6, 2)));
      const Tensor y = causal_attention(mine.part(0, 4), mine.part(4, 2), mine.part(6, 2), 0.3);
      const Tensor expected = expected_of(theirs, 0.3);
      (y * mine.ahead).sum().backward();
      (expected * theirs.ahead).sum().backward();
      CHECK(y.allclose(expected, 1e-5, 1e-5));
      // Small gradients are differences of large ones: 64 roundings of the largest.
      const double rounded = 64 * 0x1p-24 * theirs.all.grad().abs().max().item<double>();
      CHECK(mine.all.grad().allclose(theirs.all.grad(), 1e-4, rounded));
      CHECK(y.transpose(1, 2).is_contiguous());
      const at::NoGradGuard no_grad;
      CHECK(causal_attention(mine.part(0, 4), mine.part(4, 2), mine.part(6, 2), 0.3).equal(y));
    }
  }
}

TEST_CASE("wide heads, other types and cached keys go to libtorch") {
  const Tensor q = at::randn({1, 2, 3, 8});
  CHECK(takes_causal_attention(q, q, q));
  CHECK_FALSE(takes_causal_attention(at::randn({1, 2, 3, 80}), at::randn({1, 2, 3, 80}), q));
  CHECK_FALSE(takes_causal_attention(q.to(at::kDouble), q.to(at::kDouble), q.to(at::kDouble)));
  CHECK_FALSE(takes_causal_attention(q.narrow(2, 2, 1), q, q));
}
