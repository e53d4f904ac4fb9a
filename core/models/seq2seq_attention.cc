#include "core/models/seq2seq_attention.h"

#include <cmath>

#include "core/models/initial.h"

namespace lethe {

Seq2SeqAttention::Seq2SeqAttention(const Seq2SeqConfig& config, const std::string& name,
                                   at::Generator generator)
    : heads_(config.heads) {
  const auto width = static_cast<double>(config.width);
  const int64_t inner = config.heads * config.head_dim;
  const auto make = [&](const char* part, int64_t in, int64_t out, double variance) {
    const double deviation = config.initial_factor * std::sqrt(variance);
    return std::make_unique<Linear>(name + "." + part, normal_weight(out, in, deviation, generator),
                                    Tensor());
  };
  // The queries' smaller weights stand in for the missing 1/sqrt(head_dim).
  q_ = make("q", config.width, inner, 1 / (width * static_cast<double>(config.head_dim)));
  k_ = make("k", config.width, inner, 1 / width);
  v_ = make("v", config.width, inner, 1 / width);
  o_ = make("o", inner, config.width, 1 / static_cast<double>(inner));
}

void Seq2SeqAttention::add_seams(std::vector<Seam*>& seams) const {
  for (Linear* seam : {q_.get(), k_.get(), v_.get(), o_.get()}) seams.push_back(seam);
}

KeysAndValues Seq2SeqAttention::keys_and_values(const Tensor& x) const {
  const std::vector<Tensor> made = forward_each({k_.get(), v_.get()}, x);
  return {by_head(made[0], heads_), by_head(made[1], heads_)};
}

Tensor Seq2SeqAttention::mixed(const Tensor& queries, const KeysAndValues& read, const Tensor& bias,
                               const Dropout& drop) const {
  const Tensor q = by_head(queries, heads_);
  return o_->forward(attend(q, read.keys, read.values, /*scale=*/1, bias, drop));
}

Tensor Seq2SeqAttention::over_itself(const Tensor& x, const Tensor& bias, const Dropout& drop,
                                     KeyValueCache* cache) const {
  const std::vector<Tensor> made = forward_each({q_.get(), k_.get(), v_.get()}, x);
  KeysAndValues read{by_head(made[1], heads_), by_head(made[2], heads_)};
  if (cache != nullptr) cache->extend(read.keys, read.values);
  return mixed(made[0], read, bias, drop);
}

Tensor Seq2SeqAttention::over(const Tensor& memory, const Tensor& x, const Tensor& bias,
                              const Dropout& drop, KeysAndValues* cache) const {
  if (cache == nullptr) return mixed(q_->forward(x), keys_and_values(memory), bias, drop);
  if (!cache->keys.defined()) *cache = keys_and_values(memory);
  return mixed(q_->forward(x), *cache, bias, drop);
}

}  // namespace lethe
