// What the encoder-decoder and the encoder share: attention of any queries over any keys, dropout.
#pragma once

#include "core/models/activation.h"

namespace lethe {

/// Dropout of one forward pass: off where p is 0.
struct Dropout {
  double p = 0;
  at::Generator generator;
  Tensor operator()(const Tensor& x) const { return p > 0 ? dropout(x, p, generator) : x; }
};

/// (B, T, heads * d) -> (B, heads, T, d)
Tensor by_head(const Tensor& x, int64_t heads);
/// (B, heads, T, d) -> (B, T, heads * d)
Tensor by_token(const Tensor& mixed);

/// softmax(scale * q k^T + bias) v, the softmax's weights dropped. q (B, heads, Tq, d), k and v (B,
/// heads, Tk, d), bias broadcast over (B, heads, Tq, Tk) or undefined; (B, Tq, heads * d). Without
/// dropout on the CPU one loop a head, which keeps q, k, v and the softmax and copies nothing
/// (core/kernels/biased_attention.h); its gradient has no graph of its own.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, double scale, const Tensor& bias,
              const Dropout& drop);

/// The same without dropout and without ever holding all scores. Only for a bias that is never
/// trained: the fused operator takes other steps for one that is, so that freezing it would change
/// the last bits.
Tensor attend_fused(const Tensor& q, const Tensor& k, const Tensor& v, double scale,
                    const Tensor& bias);

/// What hides padding in attend(): 0 at tokens and the lowest float32 elsewhere, (B, 1, 1, T) from
/// a mask (B, T) true at tokens; undefined from an undefined one.
Tensor padding_bias(const Tensor& mask);

}  // namespace lethe
