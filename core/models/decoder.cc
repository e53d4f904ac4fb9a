#include "core/models/decoder.h"

#include <cmath>
#include <limits>

#include "core/capture.h"
#include "core/error.h"
#include "core/models/initial.h"

namespace lethe {

struct Decoder::Block {
  Block(const DecoderConfig& config, const std::string& layer, at::Generator generator)
      : config(config), attention(config, layer, generator) {
    const DecoderNames& names = config.names;
    const auto make = [&](const std::string& name, int64_t in, int64_t out, double scale) {
      const double deviation = scale / std::sqrt(static_cast<double>(in));
      Tensor bias = config.biases ? at::zeros({out}, at::kFloat) : Tensor();
      return std::make_unique<Linear>(layer + "." + name,
                                      normal_weight(out, in, deviation, generator), bias);
    };
    attention_norm = std::make_unique<Norm>(layer + "." + names.attention_norm, config.norm,
                                            config.width, config.norm_epsilon);
    mlp_norm = std::make_unique<Norm>(layer + "." + names.mlp_norm, config.norm, config.width,
                                      config.norm_epsilon);
    if (config.gated) gate = make(names.gate, config.width, config.mlp_width, 1);
    up = make(names.up, config.width, config.mlp_width, 1);
    down = make(names.down, config.mlp_width, config.width,
                1 / std::sqrt(2.0 * static_cast<double>(config.layers)));
  }

  Tensor act(const Tensor& x) const {
    switch (config.activation) {
      case Activation::relu:
        return x.relu();
      case Activation::gelu:
        return at::gelu(x);
      case Activation::gelu_tanh:
        return at::gelu(x, "tanh");
      default:
        return at::silu(x);
    }
  }

  Tensor mlp(const Tensor& x) const {
    if (config.gated) return down->forward(act(gate->forward(x)) * up->forward(x));
    return down->forward(act(up->forward(x)));
  }

  const DecoderConfig& config;
  Attention attention;
  std::unique_ptr<Norm> attention_norm, mlp_norm;
  std::unique_ptr<Linear> gate, up, down;
};

Decoder::~Decoder() = default;

Decoder::Decoder(DecoderConfig config, at::Generator generator) : config_(std::move(config)) {
  const DecoderNames& names = config_.names;
  const double deviation = 1 / std::sqrt(static_cast<double>(config_.width));
  tokens_ = std::make_unique<Embedding>(
      names.tokens, normal_weight(config_.vocabulary, config_.width, deviation, generator));
  if (config_.positions == Positions::learned) {
    positions_ = std::make_unique<Embedding>(
        names.positions, normal_weight(config_.max_length + config_.position_offset, config_.width,
                                       deviation, generator));
  }
  prompt_ = std::make_unique<Prompt>(*tokens_, positions_ ? config_.max_length : 0);
  if (config_.embedding_norm) {
    embedding_norm_ = std::make_unique<Norm>(names.embedding_norm, config_.norm, config_.width,
                                             config_.norm_epsilon);
  }
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    blocks_.push_back(
        std::make_unique<Block>(config_, fmt::format(fmt::runtime(names.layer), layer), generator));
  }
  if (config_.norm_first) {
    final_norm_ =
        std::make_unique<Norm>(names.final_norm, config_.norm, config_.width, config_.norm_epsilon);
  }
  if (!config_.tied) {
    head_ = std::make_unique<Linear>(
        names.head, normal_weight(config_.vocabulary, config_.width, deviation, generator),
        Tensor(), SeamKind::head);
  }
  if (config_.positions == Positions::alibi) slopes_ = alibi_slopes(config_.heads);
}

std::vector<Seam*> Decoder::seams() {
  std::vector<Seam*> found = {tokens_.get(), prompt_.get()};
  if (positions_) found.push_back(positions_.get());
  if (embedding_norm_) found.push_back(embedding_norm_.get());
  for (const auto& block : blocks_) {
    found.push_back(block->attention_norm.get());
    block->attention.add_seams(found);
    found.push_back(block->mlp_norm.get());
    if (block->gate) found.push_back(block->gate.get());
    found.push_back(block->up.get());
    found.push_back(block->down.get());
  }
  if (final_norm_) found.push_back(final_norm_.get());
  if (head_) found.push_back(head_.get());
  return found;
}

AttentionInputs Decoder::attention_inputs(const Tensor& position_ids, const Tensor& mask,
                                          int64_t past) const {
  AttentionInputs inputs;
  const int64_t queries = position_ids.size(1), keys = past + queries;
  const auto options = tokens_->weight().options();
  if (config_.positions == Positions::rotary) {
    const Tensor rates = at::pow(
        config_.rope_theta, at::arange(0, config_.head_dim, 2, options).div_(-config_.head_dim));
    const Tensor angles = position_ids.to(at::kFloat).unsqueeze(-1) * rates;  // (B, T, d/2)
    const Tensor both = at::cat({angles, angles}, -1).unsqueeze(1);
    inputs.cos = both.cos();
    inputs.sin = both.sin();
  }
  if (!mask.defined() && slopes_.empty() && past == 0) return inputs;
  const float lowest = std::numeric_limits<float>::lowest();
  inputs.bias = at::full({1, 1, queries, keys}, lowest, options).triu(past + 1);
  if (mask.defined()) {
    inputs.bias = inputs.bias.masked_fill(mask.logical_not().view({-1, 1, 1, keys}), lowest);
  }
  if (!slopes_.empty()) {
    const Tensor slopes = at::tensor(slopes_, options).view({1, -1, 1, 1});
    const Tensor places = mask.defined() ? mask.cumsum(1).sub_(1).mul_(mask).to(at::kFloat)
                                         : at::arange(keys, options).unsqueeze(0);
    inputs.bias = at::clamp_min(inputs.bias + slopes * places.view({-1, 1, 1, keys}), lowest);
  }
  return inputs;
}

Tensor Decoder::hidden(const Tensor& ids, const Tensor& position_ids, const Tensor& mask,
                       std::vector<KeyValueCache>& caches) {
  const int64_t past = !caches.empty() && caches[0].keys.defined() ? caches[0].keys.size(2) : 0;
  const AttentionInputs inputs = attention_inputs(position_ids, mask, past);
  const auto drop = [this](const Tensor& x) {
    return training_ ? dropout(x, config_.dropout, generator_) : x;
  };
  Tensor x = past == 0 ? prompt_->before(tokens_->forward(ids)) : tokens_->forward(ids);
  if (positions_) {
    // Per-row gradients need positions of every row's own.
    const Tensor places =
        detail::recording() ? position_ids.expand({ids.size(0), -1}) : position_ids;
    x = x + positions_->forward(places + config_.position_offset);
  }
  if (embedding_norm_) x = embedding_norm_->forward(x);
  x = drop(x);
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    const Block& block = *blocks_[layer];
    KeyValueCache* cache = caches.empty() ? nullptr : &caches[layer];
    if (config_.norm_first) {
      x = x + drop(block.attention.forward(block.attention_norm->forward(x), inputs, cache));
      x = x + drop(block.mlp(block.mlp_norm->forward(x)));
    } else {
      x = block.attention_norm->forward(x + drop(block.attention.forward(x, inputs, cache)));
      x = block.mlp_norm->forward(x + drop(block.mlp(x)));
    }
  }
  return final_norm_ ? final_norm_->forward(x) : x;
}

Tensor Decoder::head(const Tensor& hidden) const {
  return head_ ? head_->forward(hidden) : tokens_->as_head(hidden);
}

Tensor Decoder::forward(const Batch& batch) {
  std::vector<KeyValueCache> none;
  const int64_t length = batch.inputs.size(1), virtual_tokens = prompt_->size();
  // Rows are right-padded, so a causal mask alone hides the padding from every token.
  const Tensor places = at::arange(virtual_tokens + length, batch.inputs.options()).unsqueeze(0);
  Tensor x = hidden(batch.inputs, places, {}, none);
  if (virtual_tokens > 0) x = x.narrow(1, virtual_tokens, length);
  return head(x.reshape({-1, config_.width}).index_select(0, batch.positions));
}

}  // namespace lethe
