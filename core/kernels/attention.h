// Causal self-attention for training: raw pointers, float32, free of libtorch, one thread. For
// small models, whose heads are so narrow that a GEMM of each would be mostly overhead.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// A tensor (batch, heads, tokens, width) to read: strides in floats, and the last dimension dense.
struct HeadView {
  const float* data;
  int64_t batch, head, token;
};

/// The same to write.
struct HeadSpan {
  float* data;
  int64_t batch, head, token;
  operator HeadView() const { return {data, batch, head, token}; }
};

/// q and out have `heads` heads, k and v kv_heads, which divides heads: query head h attends to
/// head h / (heads / kv_heads). All counts at least 1; widths that are multiples of 8 are the fast
/// ones. scale > 0 multiplies the scores.
struct AttentionShape {
  int64_t batch, heads, kv_heads, tokens, width;
  float scale;
};

/// The widest heads that models give to it, where it is well ahead of libtorch's.
constexpr int64_t kWidestHead = 64;

/// Floats of scratch that both functions need, of any alignment: about four times the keys of one
/// head, whatever the batch.
int64_t attention_scratch(const AttentionShape& shape);

/// out_i = sum_{j <= i} p_ij v_j with p_i = softmax_{j <= i}(scale q_i . k_j); log_sums (batch,
/// heads, tokens, dense), for the gradient, is log sum_{j <= i} exp(scale q_i . k_j). out must not
/// overlap the inputs. Tokens after the i-th change no bit of out_i, and neither does their number.
/// What surprises: NaN and infinities in v may reach outputs of up to 15 tokens before them.
void causal_attention(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                      const HeadView& v, const HeadSpan& out, float* log_sums, float* scratch);

/// The gradients gq, gk, gv for gout, that for out; written, not added to, gk and gv summed over
/// the query heads that share them. The probabilities are made again from log_sums, so that nothing
/// of the size tokens^2 was ever kept (Dao et al. 2022, arXiv:2205.14135, algorithm 4). gq, gk and
/// gv must overlap neither one another nor the inputs, and may lie interleaved, as views of one
/// product. What surprises: the probabilities are as exact as a float of log_sums' size, to about
/// 1e-3 where that is 1e4.
void causal_attention_back(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                           const HeadView& v, const HeadView& out, const float* log_sums,
                           const HeadView& gout, const HeadSpan& gq, const HeadSpan& gk,
                           const HeadSpan& gv, float* scratch);

}  // namespace lethe::kernels
