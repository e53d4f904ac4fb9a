// Causal attention for x86-64-v4. The build adds -march=x86-64-v4 -O3 -fno-math-errno
// -ffp-contract=off.
#include "core/kernels/attention_back_loop.h"
#include "core/kernels/attention_loop.h"

namespace lethe::kernels {

void causal_attention_avx512(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                             const HeadView& v, const HeadSpan& out, float* log_sums,
                             float* scratch) {
  run_attention(shape, q, k, v, out, log_sums, scratch);
}

void causal_attention_back_avx512(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                                  const HeadView& v, const HeadView& out, const float* log_sums,
                                  const HeadView& gout, const HeadSpan& gq, const HeadSpan& gk,
                                  const HeadSpan& gv, float* scratch) {
  run_attention_back(shape, {q, k, v, out, log_sums, gout, gq, gk, gv}, scratch);
}

}  // namespace lethe::kernels
