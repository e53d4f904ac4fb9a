#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/kernels/attention_isa.h"
#include "core/kernels/biased_attention.h"
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

/// Biased attention and its gradients by the definition, in double precision; by token, one batch
/// row after the other, heads side by side.
struct NaiveBiased {
  NaiveBiased(const BiasedShape& s, const std::vector<float>& q, const std::vector<float>& k,
              const std::vector<float>& v, const std::vector<float>& bias,
              const std::vector<float>& gout, int64_t bias_batch)
      : out(q.size()), gq(q.size()), gk(k.size()), gv(k.size()), gbias(bias.size()) {
    const auto at = [&s](int64_t b, int64_t h, int64_t tokens, int64_t t, int64_t i) {
      return static_cast<size_t>(((b * tokens + t) * s.heads + h) * s.width + i);
    };
    for (int64_t n = 0; n < s.batch * s.heads * s.queries; ++n) {
      const int64_t b = n / s.queries / s.heads, h = n / s.queries % s.heads, t = n % s.queries;
      const auto from = static_cast<size_t>(b * bias_batch + (h * s.queries + t) * s.keys);
      std::vector<double> p, g;
      double sum = 0, along = 0;
      for (int64_t j = 0; j < s.keys; ++j) {
        double score = 0, gradient = 0;
        for (int64_t i = 0; i < s.width; ++i) {
          score += static_cast<double>(q[at(b, h, s.queries, t, i)]) * k[at(b, h, s.keys, j, i)];
          gradient +=
              static_cast<double>(gout[at(b, h, s.queries, t, i)]) * v[at(b, h, s.keys, j, i)];
        }
        p.push_back(std::exp(score * s.scale + bias[from + static_cast<size_t>(j)]));
        g.push_back(gradient);
        sum += p.back();
      }
      for (double& value : p) value /= sum;
      for (size_t j = 0; j < p.size(); ++j) along += p[j] * g[j];
      for (int64_t j = 0; j < s.keys; ++j) {
        const auto key = static_cast<size_t>(j);
        const double slope = p[key] * (g[key] - along);
        gbias[from + key] += slope;
        for (int64_t i = 0; i < s.width; ++i) {
          const size_t query_at = at(b, h, s.queries, t, i), key_at = at(b, h, s.keys, j, i);
          out[query_at] += p[key] * v[key_at];
          gq[query_at] += slope * s.scale * k[key_at];
          gk[key_at] += slope * s.scale * q[query_at];
          gv[key_at] += p[key] * gout[query_at];
        }
      }
    }
  }
  std::vector<double> out, gq, gk, gv, gbias;
};

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

TEST_CASE("attention with a bias and its gradients are those of the definition") {
  const std::vector<BiasedShape> shapes = {
      {1, 1, 1, 1, 1, 1}, {2, 3, 7, 20, 5, 0.5F}, {2, 2, 33, 16, 32, 1}, {3, 2, 16, 49, 24, 0.25F}};
  for (const BiasedShape& s : shapes) {
    for (const bool shared : {true, false}) {
      CAPTURE(s.queries, s.keys, s.width, shared);
      const int64_t across = s.heads * s.width, scores = s.queries * s.keys;
      const int64_t bias_batch = shared ? 0 : s.heads * scores;
      const auto values = [](int64_t n, int seed) {
        return normal_values(static_cast<size_t>(n), static_cast<uint64_t>(seed));
      };
      const auto q = values(s.batch * s.queries * across, 1),
                 gout = values(s.batch * s.queries * across, 2);
      const auto k = values(s.batch * s.keys * across, 3), v = values(s.batch * s.keys * across, 4);
      const auto bias = values((shared ? 1 : s.batch) * s.heads * scores, 5);
      std::vector<float> out(q.size(), NAN), gq(q.size(), NAN), gk(k.size(), NAN),
          gv(k.size(), NAN);
      std::vector<float> gbias(bias.size()), p(static_cast<size_t>(s.batch * s.heads * scores));
      std::vector<float> scratch(static_cast<size_t>(biased_scratch(s)));
      const int64_t wide = s.queries * across, long_ = s.keys * across;
      const ScoreBias added{bias.data(), bias_batch, scores, s.keys};
      const HeadView at_q{q.data(), wide, s.width, across}, at_k{k.data(), long_, s.width, across},
          at_v{v.data(), long_, s.width, across}, at_gout{gout.data(), wide, s.width, across};
      biased_attention(s, at_q, at_k, at_v, added, {out.data(), wide, s.width, across}, p.data(),
                       scratch.data());
      biased_attention_back(s, at_q, at_k, at_v, p.data(), at_gout,
                            {gq.data(), wide, s.width, across}, {gk.data(), long_, s.width, across},
                            {gv.data(), long_, s.width, across}, added, gbias.data(),
                            scratch.data());
      const NaiveBiased naive(s, q, k, v, bias, gout, bias_batch);
      CHECK(difference(out, naive.out) < 1e-6);
      CHECK(difference(gq, naive.gq) < 3e-6);
      CHECK(difference(gk, naive.gk) < 3e-6);
      CHECK(difference(gv, naive.gv) < 3e-6);
      CHECK(difference(gbias, naive.gbias) < 3e-6);
    }
  }
}

}  // namespace lethe::kernels
