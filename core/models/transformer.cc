#include "core/models/transformer.h"

#include <limits>
#include <optional>

namespace lethe {
namespace {

/// (B, heads, T, d) -> (B, T, heads * d)
Tensor by_token(const Tensor& mixed) {
  return mixed.transpose(1, 2).reshape({mixed.size(0), mixed.size(2), -1});
}

}  // namespace

Tensor by_head(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, double scale, const Tensor& bias,
              const Dropout& drop) {
  Tensor scores = at::matmul(scale == 1 ? q : q * scale, k.transpose(2, 3));
  if (bias.defined()) scores = scores + bias;
  return by_token(at::matmul(drop(scores.softmax(-1)), v));
}

Tensor attend_fused(const Tensor& q, const Tensor& k, const Tensor& v, double scale,
                    const Tensor& bias) {
  const auto given = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  return by_token(
      at::scaled_dot_product_attention(q, k, v, given, 0.0, /*is_causal=*/false, scale));
}

Tensor padding_bias(const Tensor& mask) {
  if (!mask.defined()) return {};
  const Tensor bias = at::zeros(mask.sizes(), mask.options().dtype(at::kFloat));
  return bias.masked_fill_(mask.logical_not(), std::numeric_limits<float>::lowest())
      .view({mask.size(0), 1, 1, mask.size(1)});
}

}  // namespace lethe
