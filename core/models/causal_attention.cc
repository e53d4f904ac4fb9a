#include "core/models/causal_attention.h"

#include "core/autograd_function.h"
#include "core/models/heads.h"

namespace lethe {
namespace {

kernels::AttentionShape shape_of(const Tensor& q, const Tensor& k, double scale) {
  return {q.size(0), q.size(1), k.size(1), q.size(2), q.size(3), static_cast<float>(scale)};
}

Tensor scratch_for(const kernels::AttentionShape& shape) {
  return at::empty({kernels::attention_scratch(shape)}, at::kFloat);
}

Tensor attended(const Tensor& q, const Tensor& k, const Tensor& v, double scale, Tensor& sums) {
  const kernels::AttentionShape shape = shape_of(q, k, scale);
  Tensor out = laid_by_token(q);
  sums = at::empty({shape.batch, shape.heads, shape.tokens}, q.options());
  const Tensor scratch = scratch_for(shape);
  kernels::causal_attention(shape, read_heads(q), read_heads(k), read_heads(v), written_heads(out),
                            sums.mutable_data_ptr<float>(), scratch.mutable_data_ptr<float>());
  return out;
}

struct Heads {
  Tensor q, k, v;
};

/// Writes the gradients of `heads` into `to`.
void attended_back(const Heads& heads, const Tensor& out, const Tensor& sums,
                   const Tensor& gradient, double scale, const Heads& to) {
  const Tensor gout = dense_heads(gradient);
  const kernels::AttentionShape shape = shape_of(heads.q, heads.k, scale);
  const Tensor scratch = scratch_for(shape);
  kernels::causal_attention_back(shape, read_heads(heads.q), read_heads(heads.k),
                                 read_heads(heads.v), read_heads(out), sums.const_data_ptr<float>(),
                                 read_heads(gout), written_heads(to.q), written_heads(to.k),
                                 written_heads(to.v), scratch.mutable_data_ptr<float>());
}

struct CausalAttention : torch::autograd::Function<CausalAttention> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& q, const Tensor& k,
                        const Tensor& v, double scale) {
    Tensor sums;
    const Tensor out = attended(q, k, v, scale, sums);
    saved->save_for_backward({q, k, v, out, sums});
    saved->saved_data["scale"] = scale;
    return out;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Heads heads{kept[0], kept[1], kept[2]};
    const Heads to{laid_by_token(heads.q), laid_by_token(heads.k), laid_by_token(heads.v)};
    attended_back(heads, kept[3], kept[4], gradients[0], saved->saved_data["scale"].toDouble(), to);
    return {to.q, to.k, to.v, Tensor()};
  }
};

/// Of a split product, whose gradient is one tensor of its layout.
struct CausalAttentionOfProduct : torch::autograd::Function<CausalAttentionOfProduct> {
  static Tensor forward(torch::autograd::AutogradContext* saved, const Tensor& split,
                        double scale) {
    Tensor sums;
    const Tensor out = attended(split[0], split[1], split[2], scale, sums);
    saved->save_for_backward({split, out, sums});
    saved->saved_data["scale"] = scale;
    return out;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* saved,
                                               torch::autograd::tensor_list gradients) {
    const auto kept = saved->get_saved_variables();
    const Tensor& split = kept[0];
    const Tensor to = at::empty_like(split);
    attended_back({split[0], split[1], split[2]}, kept[1], kept[2], gradients[0],
                  saved->saved_data["scale"].toDouble(), {to[0], to[1], to[2]});
    return {to, Tensor()};
  }
};

}  // namespace

bool takes_causal_attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  return q.is_cpu() && q.scalar_type() == at::kFloat && k.scalar_type() == at::kFloat &&
         v.scalar_type() == at::kFloat && q.size(2) == k.size(2) &&
         q.size(3) <= kernels::kWidestHead && q.numel() > 0;
}

Tensor causal_attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale) {
  const Tensor dense_q = dense_heads(q), dense_k = dense_heads(k), dense_v = dense_heads(v);
  const bool graph =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  if (graph) return CausalAttention::apply(dense_q, dense_k, dense_v, scale);
  Tensor sums;
  return attended(dense_q, dense_k, dense_v, scale, sums);
}

Tensor causal_attention(const Tensor& split, double scale) {
  if (at::GradMode::is_enabled() && split.requires_grad()) {
    return CausalAttentionOfProduct::apply(split, scale);
  }
  Tensor sums;
  return attended(split[0], split[1], split[2], scale, sums);
}

}  // namespace lethe
