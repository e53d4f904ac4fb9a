#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/kernels/attention_isa.h"
#include "core/kernels/isa.h"
#include "tests/attention_case.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

struct Isa {
  decltype(&causal_attention_avx2) forward;
  decltype(&causal_attention_back_avx2) back;
};

std::vector<Isa> offered() {
  std::vector<Isa> isas = {{causal_attention_avx2, causal_attention_back_avx2}};
  if (has_avx512()) isas.push_back({causal_attention_avx512, causal_attention_back_avx512});
  return isas;
}

/// Inputs and results of one call; NaN wherever nothing was written, one float past the scratch
/// too.
struct AttentionCase {
  AttentionCase(const AttentionShape& s, bool fused)
      : shape(s),
        layout(s, fused),
        inputs(normal_values(static_cast<size_t>(layout.inputs), 3)),
        gradients(inputs.size(), NAN),
        out(static_cast<size_t>(layout.outputs), NAN),
        gout(normal_values(out.size(), 4)),
        log_sums(static_cast<size_t>(s.batch * s.heads * s.tokens), NAN),
        scratch(static_cast<size_t>(attention_scratch(s)) + 1, NAN) {}

  void run(const Isa& isa) {
    const AttentionLayout& at = layout;
    isa.forward(shape, at.q.in(inputs), at.k.in(inputs), at.v.in(inputs), at.out.in(out),
                log_sums.data(), scratch.data());
    isa.back(shape, at.q.in(inputs), at.k.in(inputs), at.v.in(inputs), at.out.in(out),
             log_sums.data(), at.out.in(gout), at.q.in(gradients), at.k.in(gradients),
             at.v.in(gradients), scratch.data());
  }
  NaiveAttention naive() const {
    return naive_attention(shape, layout, {inputs.begin(), inputs.end()},
                           {gout.begin(), gout.end()});
  }

  AttentionShape shape;
  AttentionLayout layout;
  std::vector<float> inputs, gradients, out, gout, log_sums, scratch;
};

/// The largest difference in units of the largest magnitude, or of 1 if that is less.
double difference(const std::vector<float>& fast, const std::vector<double>& slow) {
  REQUIRE(fast.size() == slow.size());
  double most = 0, magnitude = 1;
  for (size_t i = 0; i < fast.size(); ++i) {
    magnitude = std::max(magnitude, std::abs(slow[i]));
    const double apart = std::abs(static_cast<double>(fast[i]) - slow[i]);
    if (!(apart <= most)) most = apart;  // NaN too
  }
  return most / magnitude;
}

void check_against_naive(const AttentionShape& shape, bool fused) {
  CAPTURE(shape.batch, shape.heads, shape.kv_heads, shape.tokens, shape.width, fused);
  for (const Isa& isa : offered()) {
    AttentionCase made(shape, fused);
    const std::vector<float> before = made.inputs;
    made.run(isa);
    const NaiveAttention naive = made.naive();
    CHECK(difference(made.out, naive.out) < 2e-6);
    CHECK(difference(made.log_sums, naive.log_sums) < 1e-6);
    CHECK(difference(made.gradients, naive.gradients) < 5e-6);
    CHECK(bit_equal(made.inputs, before));
    CHECK(std::isnan(made.scratch.back()));
  }
}

}  // namespace

TEST_CASE("attention and its gradients are those of naive sums in double", "[attention_kernel]") {
  for (const int64_t tokens : {1, 2, 7, 16, 33, 130}) {
    for (const int64_t width : {1, 5, 8, 12, 32, 64, 80}) {
      check_against_naive({2, 2, 2, tokens, width, 0.4F}, tokens % 2 == 0);
    }
  }
}

TEST_CASE("long sequences pass over their keys in chunks", "[attention_kernel]") {
  check_against_naive({1, 1, 1, 448, 8, 0.35F}, true);
  check_against_naive({1, 2, 1, 300, 40, 0.2F}, false);
  check_against_naive({1, 1, 1, 150, 128, 0.1F}, true);
}

TEST_CASE("query heads share the heads of keys and values", "[attention_kernel]") {
  for (const int64_t kv_heads : {4, 2, 1}) {
    for (const bool fused : {false, true}) {
      check_against_naive({2, 8, kv_heads, 37, 8, 0.35F}, fused);
      check_against_naive({1, 8, kv_heads, 19, 20, 0.2F}, fused);
    }
  }
}

TEST_CASE("later tokens, changed or left out, change no bit of earlier outputs",
          "[attention_kernel]") {
  for (const Isa& isa : offered()) {
    AttentionCase whole({1, 1, 1, 150, 8, 0.4F}, true);
    whole.run(isa);
    for (const int64_t kept : {1, 18, 64, 130, 149}) {
      AttentionCase changed(whole.shape, true), shorter({1, 1, 1, kept, 8, 0.4F}, true);
      shorter.inputs.assign(whole.inputs.begin(), whole.inputs.begin() + shorter.layout.inputs);
      std::for_each(changed.inputs.begin() + shorter.layout.inputs, changed.inputs.end(),
                    [](float& x) { x *= 1e36F; });
      changed.run(isa);
      shorter.run(isa);
      const auto same = static_cast<size_t>(kept * 8);
      CHECK(bit_equal({changed.out.begin(), changed.out.begin() + kept * 8}, shorter.out));
      CHECK(bit_equal({whole.out.begin(), whole.out.begin() + kept * 8}, shorter.out));
      CHECK(whole.out[same] != changed.out[same]);
    }
  }
}

TEST_CASE("scores of tens of thousands stay finite", "[attention_kernel]") {
  for (const Isa& isa : offered()) {
    AttentionCase made({1, 1, 1, 200, 8, 1e4F}, false);
    made.run(isa);
    const NaiveAttention naive = made.naive();
    CHECK(*std::max_element(made.log_sums.begin(), made.log_sums.end()) > 2e4F);
    CHECK(difference(made.log_sums, naive.log_sums) < 1e-6);
    for (const auto* values : {&made.out, &made.gradients}) {
      CHECK(std::all_of(values->begin(), values->end(), [](float x) { return std::isfinite(x); }));
    }
  }
}

TEST_CASE("NaN in a key reaches the tokens from there on", "[attention_kernel]") {
  for (const Isa& isa : offered()) {
    AttentionCase made({1, 1, 1, 40, 8, 0.4F}, false);
    made.inputs[made.layout.k.at(0, 0, 21)] = NAN;
    made.run(isa);
    for (size_t token = 0; token < 40; ++token) {
      CHECK(std::isnan(made.out[token * 8]) == (token >= 21));
    }
  }
}

TEST_CASE("the gradient is the slope of the naive attention", "[attention_kernel]") {
  const AttentionShape shape{1, 2, 1, 5, 3, 0.6F};
  for (const Isa& isa : offered()) {
    AttentionCase made(shape, true);
    made.run(isa);
    const auto loss = [&](size_t changed, double by) {
      std::vector<double> inputs(made.inputs.begin(), made.inputs.end());
      const std::vector<double> gout(made.gout.begin(), made.gout.end());
      inputs[changed] += by;
      const std::vector<double> out = naive_attention(shape, made.layout, inputs, gout).out;
      return std::inner_product(out.begin(), out.end(), gout.begin(), 0.0);
    };
    for (size_t i = 0; i < made.inputs.size(); ++i) {
      const double slope = (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
      CHECK(made.gradients[i] == Approx(slope).margin(2e-6));
    }
  }
}

TEST_CASE("the version chosen at run time is one of those offered", "[attention_kernel]") {
  const AttentionShape shape{2, 4, 2, 50, 16, 0.25F};
  AttentionCase chosen(shape, true), wanted(shape, true);
  wanted.run(use_avx512() ? offered().back() : offered().front());
  chosen.run({causal_attention, causal_attention_back});
  CHECK(bit_equal(chosen.out, wanted.out));
  CHECK(bit_equal(chosen.log_sums, wanted.log_sums));
  CHECK(bit_equal(chosen.gradients, wanted.gradients));
}

}  // namespace lethe::kernels
