#include "core/kernels/attention.h"

#include "core/kernels/attention_isa.h"
#include "core/kernels/counts.h"
#include "core/kernels/isa.h"

namespace lethe::kernels {

int64_t attention_scratch(const AttentionShape& shape) {
  constexpr int64_t kScores = kQueries * kMostKeys, kAlignment = 16;
  const int64_t tokens = rounded_up(shape.tokens, kQueries), width = rounded_up(shape.width, 16);
  return 4 * tokens * width + 6 * kQueries * width + kScores + kAlignment;
}

void causal_attention(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                      const HeadView& v, const HeadSpan& out, float* log_sums, float* scratch) {
  const auto run = use_avx512() ? causal_attention_avx512 : causal_attention_avx2;
  run(shape, q, k, v, out, log_sums, scratch);
}

void causal_attention_back(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                           const HeadView& v, const HeadView& out, const float* log_sums,
                           const HeadView& gout, const HeadSpan& gq, const HeadSpan& gk,
                           const HeadSpan& gv, float* scratch) {
  const auto run = use_avx512() ? causal_attention_back_avx512 : causal_attention_back_avx2;
  run(shape, q, k, v, out, log_sums, gout, gq, gk, gv, scratch);
}

}  // namespace lethe::kernels
