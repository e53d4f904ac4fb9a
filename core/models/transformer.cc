#include "core/models/transformer.h"

#include <limits>
#include <optional>

#include "core/autograd_function.h"
#include "core/kernels/biased_attention.h"
#include "core/models/heads.h"

namespace lethe {
namespace {

kernels::BiasedShape shape_for(const Tensor& q, const Tensor& k, double scale) {
  return {q.size(0), q.size(1), q.size(2), k.size(2), q.size(3), static_cast<float>(scale)};
}

/// Where a bias that is broadcast over the scores lies; `bias` contiguous or undefined.
kernels::ScoreBias bias_of(const Tensor& bias) {
  if (!bias.defined()) return {nullptr, 0, 0, 0};
  const auto step = [&](int64_t dim) { return bias.size(dim) == 1 ? 0 : bias.stride(dim); };
  return {bias.const_data_ptr<float>(), step(0), step(1), step(2)};
}

Tensor scratch_of(const kernels::BiasedShape& shape) {
  return at::empty({kernels::biased_scratch(shape)}, at::kFloat);
}

Tensor biased(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias, double scale,
              Tensor& p) {
  const kernels::BiasedShape shape = shape_for(q, k, scale);
  Tensor out = laid_by_token(q);
  p = at::empty({shape.batch, shape.heads, shape.queries, shape.keys}, q.options());
  const Tensor scratch = scratch_of(shape);
  kernels::biased_attention(shape, read_heads(q), read_heads(k), read_heads(v), bias_of(bias),
                            written_heads(out), p.mutable_data_ptr<float>(),
                            scratch.mutable_data_ptr<float>());
  return out;
}

struct BiasedAttention : torch::autograd::Function<BiasedAttention> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& q, const Tensor& k,
                        const Tensor& v, const std::optional<Tensor>& bias, double scale) {
    Tensor p;
    const Tensor out = biased(q, k, v, bias ? *bias : Tensor(), scale, p);
    saved->save_for_backward({q, k, v, p});
    saved->saved_data["scale"] = scale;
    if (bias && bias->requires_grad()) saved->saved_data["bias"] = bias->sizes().vec();
    return out;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor &q = kept[0], &k = kept[1], &v = kept[2], &p = kept[3];
    const Tensor gout = dense_heads(gradients[0]);
    const Tensor to_q = laid_by_token(q), to_k = laid_by_token(k), to_v = laid_by_token(v);
    Tensor to_bias;
    const auto sizes = saved->saved_data.find("bias");
    if (sizes != saved->saved_data.end()) {
      to_bias = at::zeros(sizes->second.toIntVector(), q.options());
    }
    const auto shape = shape_for(q, k, saved->saved_data["scale"].toDouble());
    const Tensor scratch = scratch_of(shape);
    kernels::biased_attention_back(shape, read_heads(q), read_heads(k), read_heads(v),
                                   p.const_data_ptr<float>(), read_heads(gout), written_heads(to_q),
                                   written_heads(to_k), written_heads(to_v), bias_of(to_bias),
                                   to_bias.defined() ? to_bias.mutable_data_ptr<float>() : nullptr,
                                   scratch.mutable_data_ptr<float>());
    return {to_q, to_k, to_v, to_bias, Tensor()};
  }
};

/// Whether one loop takes them: float32 on the CPU, heads of two registers or more, side by side,
/// and a bias of every key.
bool takes_biased(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias) {
  for (const Tensor* x : {&q, &k, &v}) {
    if (!x->is_cpu() || x->scalar_type() != at::kFloat || x->stride(3) != 1) return false;
  }
  if (q.numel() == 0 || k.numel() == 0 || q.size(3) < kernels::kNarrowestHead) return false;
  return !bias.defined() ||
         (bias.scalar_type() == at::kFloat && bias.dim() == 4 && bias.size(3) == k.size(2));
}

Tensor attend_biased(const Tensor& q, const Tensor& k, const Tensor& v, double scale,
                     const Tensor& bias) {
  std::optional<Tensor> given;
  if (bias.defined()) given = bias.contiguous();
  const bool graph =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad() ||
                                     (given && given->requires_grad()));
  if (graph) return BiasedAttention::apply(q, k, v, given, scale);
  Tensor p;
  return biased(q, k, v, given ? *given : Tensor(), scale, p);
}

}  // namespace

Tensor by_token(const Tensor& mixed) {
  return mixed.transpose(1, 2).reshape({mixed.size(0), mixed.size(2), -1});
}

Tensor by_head(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, double scale, const Tensor& bias,
              const Dropout& drop) {
  if (drop.p == 0 && takes_biased(q, k, v, bias)) {
    return by_token(attend_biased(q, k, v, scale, bias));
  }
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
