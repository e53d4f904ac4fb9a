// The instruction-set versions of causal attention. Only core/kernels and its tests use it.
#pragma once

#include "core/kernels/attention.h"

namespace lethe::kernels {

constexpr int kQueries = 16;        ///< of a block: across the lanes
constexpr int64_t kMostKeys = 128;  ///< of a pass

/// The AVX-512 versions need what has_avx512() asks for.
void causal_attention_avx2(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                           const HeadView& v, const HeadSpan& out, float* log_sums, float* scratch);
void causal_attention_avx512(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                             const HeadView& v, const HeadSpan& out, float* log_sums,
                             float* scratch);
void causal_attention_back_avx2(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                                const HeadView& v, const HeadView& out, const float* log_sums,
                                const HeadView& gout, const HeadSpan& gq, const HeadSpan& gk,
                                const HeadSpan& gv, float* scratch);
void causal_attention_back_avx512(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                                  const HeadView& v, const HeadView& out, const float* log_sums,
                                  const HeadView& gout, const HeadSpan& gq, const HeadSpan& gk,
                                  const HeadSpan& gv, float* scratch);

}  // namespace lethe::kernels
