// Plainly causal self-attention of whole sequences, the way models train.
#pragma once

#include "core/torch.h"

namespace lethe {

/// Whether causal_attention() takes them: float32 on the CPU, as many queries as keys, and heads of
/// at most 64, which libtorch's own kernel handles at a fraction of the speed.
bool takes_causal_attention(const Tensor& q, const Tensor& k, const Tensor& v);

/// softmax(scale q k^T, causal) v: q (B, H, T, D), k and v (B, H', T, D), of which every H / H'
/// heads of q share one; returns (B, H, T, D), laid out as (B, T, H, D). It keeps q, k, v, the
/// result and one sum a query (core/kernels/attention.h). Its gradient has no graph of its own.
Tensor causal_attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale);

/// The same of q, k and v in one tensor (3, B, H, T, D), a view of a fused product whose last
/// dimension is dense: its gradient is made as one.
Tensor causal_attention(const Tensor& split, double scale);

}  // namespace lethe
