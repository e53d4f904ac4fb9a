#include "core/models/attention.h"

#include <algorithm>
#include <cmath>

#include "core/models/causal_attention.h"
#include "core/models/initial.h"
#include "core/models/rotary.h"
#include "core/models/transformer.h"

namespace lethe {
void KeyValueCache::extend(Tensor& k, Tensor& v) {
  const int64_t wanted = length_ + k.size(2);
  const int64_t capacity = keys_.defined() ? keys_.size(2) : 0;
  if (wanted > capacity) {
    // Doubled, so that a generous room costs nothing before it is used.
    const int64_t larger = std::max(wanted, std::min(room_, 2 * wanted));
    const auto grown = [&](const Tensor& held, const Tensor& like) {
      Tensor made = at::empty({like.size(0), like.size(1), larger, like.size(3)}, like.options());
      if (length_ > 0) made.narrow(2, 0, length_).copy_(held.narrow(2, 0, length_));
      return made;
    };
    keys_ = grown(keys_, k);
    values_ = grown(values_, v);
  }
  keys_.narrow(2, length_, k.size(2)).copy_(k);
  values_.narrow(2, length_, v.size(2)).copy_(v);
  length_ = wanted;
  k = keys_.narrow(2, 0, length_);
  v = values_.narrow(2, 0, length_);
}

Attention::Attention(const DecoderConfig& config, const std::string& layer, int64_t number,
                     at::Generator generator)
    : config_(config), scale_(1) {
  const DecoderNames& names = config.names;
  const auto root = [](int64_t n) { return std::sqrt(static_cast<double>(n)); };
  if (config.scores_by_width) scale_ /= root(config.head_dim);
  if (config.scores_by_layer) scale_ /= static_cast<double>(number + 1);
  const double deviation = config.deviation > 0 ? config.deviation : 1 / root(config.width);
  const auto make = [&](const std::string& name, int64_t in, int64_t out, double scale,
                        bool biased) {
    Tensor bias = biased ? at::zeros({out}, at::kFloat) : Tensor();
    return std::make_unique<Linear>(layer + "." + name,
                                    normal_weight(out, in, deviation * scale, generator), bias);
  };
  const int64_t inner = config.heads * config.head_dim, kv = config.kv_heads * config.head_dim;
  if (config.fused != FusedLayout::none) {
    qkv_ = make(names.qkv, config.width, 3 * inner, 1, config.qkv_biases);
  } else {
    q_ = make(names.q, config.width, inner, 1, config.qkv_biases);
    k_ = make(names.k, config.width, kv, 1, config.qkv_biases);
    v_ = make(names.v, config.width, kv, 1, config.qkv_biases);
  }
  out_ = make(names.attention_out, inner, config.width,
              config.scaled_residuals ? 1 / root(2 * config.layers) : 1, config.out_bias);
}

void Attention::add_seams(std::vector<Seam*>& seams) const {
  for (Linear* seam : {qkv_.get(), q_.get(), k_.get(), v_.get(), out_.get()}) {
    if (seam != nullptr) seams.push_back(seam);
  }
}

void Attention::project(const Tensor& x, Tensor& q, Tensor& k, Tensor& v) const {
  if (config_.fused == FusedLayout::none) {
    const std::vector<Tensor> made = forward_each({q_.get(), k_.get(), v_.get()}, x);
    q = by_head(made[0], config_.heads);
    k = by_head(made[1], config_.kv_heads);
    v = by_head(made[2], config_.kv_heads);
    return;
  }
  const Tensor split = split_heads(qkv_->forward(x));
  q = split.select(0, 0);
  k = split.select(0, 1);
  v = split.select(0, 2);
}

Tensor Attention::split_heads(const Tensor& all) const {
  const int64_t b = all.size(0), t = all.size(1), heads = config_.heads, d = config_.head_dim;
  if (config_.fused == FusedLayout::thirds) {
    return all.view({b, t, 3, heads, d}).permute({2, 0, 3, 1, 4});
  }
  return all.view({b, t, heads, 3, d}).permute({3, 0, 2, 1, 4});
}

Tensor Attention::forward(const Tensor& x, const AttentionInputs& inputs,
                          KeyValueCache* cache) const {
  const bool causal = inputs.dropout == 0 && !inputs.bias.defined();
  if (causal && cache == nullptr && qkv_ && !inputs.cos.defined()) {
    const Tensor split = split_heads(qkv_->forward(x));
    if (takes_causal_attention(split[0], split[1], split[2])) {
      return out_->forward(by_token(causal_attention(split, scale_)));
    }
    return out_->forward(by_token(mixed(split[0], split[1], split[2], inputs)));
  }
  Tensor q, k, v;
  project(x, q, k, v);
  if (inputs.cos.defined()) {
    q = rotated(q, inputs.cos, inputs.sin);
    k = rotated(k, inputs.cos, inputs.sin);
  }
  if (cache != nullptr) cache->extend(k, v);
  if (causal && takes_causal_attention(q, k, v)) {
    return out_->forward(by_token(causal_attention(q, k, v, scale_)));
  }
  if (config_.kv_heads != config_.heads) {
    const int64_t copies = config_.heads / config_.kv_heads;
    k = k.repeat_interleave(copies, 1);
    v = v.repeat_interleave(copies, 1);
  }
  return out_->forward(by_token(mixed(q, k, v, inputs)));
}

Tensor Attention::mixed(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionInputs& inputs) const {
  if (inputs.dropout > 0) {
    const Tensor scores = at::matmul(q * scale_, k.transpose(2, 3)) + inputs.bias;
    return at::matmul(dropout(scores.softmax(-1), inputs.dropout, inputs.generator), v);
  }
  const std::optional<Tensor> bias =
      inputs.bias.defined() ? std::optional<Tensor>(inputs.bias) : std::nullopt;
  return at::scaled_dot_product_attention(q, k, v, bias, 0.0, !bias.has_value(), scale_);
}

}  // namespace lethe
