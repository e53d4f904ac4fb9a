// Attention with a bias on its scores, as encoder-decoders have it: raw pointers, float32, free of
// libtorch, one thread. For rows of a few hundred tokens, whose probabilities may all be kept.
#pragma once

#include "core/kernels/attention.h"

namespace lethe::kernels {

/// q and out (batch, heads, queries, width), k and v (batch, heads, keys, width); all counts at
/// least 1.
struct BiasedShape {
  int64_t batch, heads, queries, keys, width;
  float scale;  ///< of the scores, before the bias
};

/// Added to the scores: floats from one batch, head and query to the next, 0 where all share one;
/// keys lie side by side. `data` may be null.
struct ScoreBias {
  const float* data;
  int64_t batch, head, query;
};

/// The narrowest heads that models give to it: narrower ones leave most of a register empty.
constexpr int64_t kNarrowestHead = 16;

/// Floats of scratch that both functions need.
int64_t biased_scratch(const BiasedShape& shape);

/// p = softmax(scale q k^T + bias) (batch, heads, queries, keys, dense), out = p v.
void biased_attention(const BiasedShape& shape, const HeadView& q, const HeadView& k,
                      const HeadView& v, const ScoreBias& bias, const HeadSpan& out, float* p,
                      float* scratch);

/// The gradients for gout, that for out, written; where gbias is not null, that of the scores is
/// added to it, which lies as `bias` does. Nothing may overlap.
void biased_attention_back(const BiasedShape& shape, const HeadView& q, const HeadView& k,
                           const HeadView& v, const float* p, const HeadView& gout,
                           const HeadSpan& gq, const HeadSpan& gk, const HeadSpan& gv,
                           const ScoreBias& bias, float* gbias, float* scratch);

}  // namespace lethe::kernels
