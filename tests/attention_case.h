// Layouts of causal attention's tensors, and the plain attention in double, for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/attention.h"

namespace lethe::kernels {

/// Where a tensor (batch, heads, tokens, width) lies in a buffer.
struct HeadPlace {
  int64_t first, batch, head, token;
  size_t at(int64_t b, int64_t h, int64_t t) const {
    return static_cast<size_t>(first + b * batch + h * head + t * token);
  }
  HeadSpan in(std::vector<float>& x) const { return {x.data() + first, batch, head, token}; }
};

/// q, k and v in one buffer: views of a fused product (batch, tokens, all heads, width), or dense
/// ones after one another. out likewise, in a buffer of its own.
struct AttentionLayout {
  AttentionLayout(const AttentionShape& s, bool fused)
      : inputs(s.batch * s.tokens * (s.heads + 2 * s.kv_heads) * s.width),
        outputs(s.batch * s.tokens * s.heads * s.width) {
    const int64_t all = s.heads + 2 * s.kv_heads, head = s.tokens * s.width;
    const auto place = [&](int64_t before, int64_t heads, int64_t row) -> HeadPlace {
      if (fused) return {before * s.width, s.tokens * row, s.width, row};
      return {s.batch * before * head, heads * head, head, s.width};
    };
    q = place(0, s.heads, all * s.width);
    k = place(s.heads, s.kv_heads, all * s.width);
    v = place(s.heads + s.kv_heads, s.kv_heads, all * s.width);
    out = place(0, s.heads, s.heads * s.width);
  }
  int64_t inputs, outputs;  ///< floats
  HeadPlace q, k, v, out;
};

/// What the kernels should give, in the same layouts.
struct NaiveAttention {
  std::vector<double> out, log_sums, gradients;
};

/// One query: probabilities, log sum, output, and its part of the gradients.
inline void add_naive_query(const AttentionShape& s, const AttentionLayout& layout,
                            const std::vector<double>& x, const std::vector<double>& gout,
                            int64_t b, int64_t h, int64_t i, NaiveAttention& to) {
  const int64_t kv = h / (s.heads / s.kv_heads);
  const auto width = static_cast<size_t>(s.width);
  const size_t q = layout.q.at(b, h, i), out = layout.out.at(b, h, i);
  std::vector<double> p(static_cast<size_t>(i + 1)), dp(p.size());
  double most = -INFINITY, sum = 0, mean = 0;
  for (size_t j = 0; j < p.size(); ++j) {
    const size_t k = layout.k.at(b, kv, static_cast<int64_t>(j));
    for (size_t d = 0; d < width; ++d) p[j] += s.scale * x[q + d] * x[k + d];
    most = std::max(most, p[j]);
  }
  for (double& value : p) sum += value = std::exp(value - most);
  to.log_sums[static_cast<size_t>((b * s.heads + h) * s.tokens + i)] = most + std::log(sum);
  for (size_t j = 0; j < p.size(); ++j) {
    const size_t v = layout.v.at(b, kv, static_cast<int64_t>(j));
    p[j] /= sum;
    for (size_t d = 0; d < width; ++d) {
      to.out[out + d] += p[j] * x[v + d];
      to.gradients[v + d] += p[j] * gout[out + d];
      dp[j] += gout[out + d] * x[v + d];
    }
    mean += p[j] * dp[j];
  }
  for (size_t j = 0; j < p.size(); ++j) {
    const size_t k = layout.k.at(b, kv, static_cast<int64_t>(j));
    const double slope = s.scale * p[j] * (dp[j] - mean);
    for (size_t d = 0; d < width; ++d) {
      to.gradients[q + d] += slope * x[k + d];
      to.gradients[k + d] += slope * x[q + d];
    }
  }
}

inline NaiveAttention naive_attention(const AttentionShape& s, const AttentionLayout& layout,
                                      const std::vector<double>& inputs,
                                      const std::vector<double>& gout) {
  NaiveAttention made{std::vector<double>(gout.size()),
                      std::vector<double>(static_cast<size_t>(s.batch * s.heads * s.tokens)),
                      std::vector<double>(inputs.size())};
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t h = 0; h < s.heads; ++h) {
      for (int64_t i = 0; i < s.tokens; ++i) {
        add_naive_query(s, layout, inputs, gout, b, h, i, made);
      }
    }
  }
  return made;
}

}  // namespace lethe::kernels
