#include "core/models/decoder.h"

#include <cmath>
#include <limits>

#include "core/capture.h"
#include "core/error.h"
#include "core/models/activation.h"
#include "core/models/block_run.h"
#include "core/models/initial.h"
#include "core/pack.h"

namespace lethe {

namespace {

double deviation_of(const DecoderConfig& config, int64_t in, double scale = 1) {
  if (config.deviation > 0) return scale * config.deviation;
  return scale / std::sqrt(static_cast<double>(in));
}

std::unique_ptr<Linear> linear(const DecoderConfig& config, const std::string& name, int64_t in,
                               int64_t out, bool biased, double scale,
                               const at::Generator& generator, SeamKind kind = SeamKind::linear) {
  Tensor bias = biased ? at::zeros({out}, at::kFloat) : Tensor();
  Tensor weight = normal_weight(out, in, deviation_of(config, in, scale), generator);
  return std::make_unique<Linear>(name, std::move(weight), std::move(bias), kind);
}

std::unique_ptr<Norm> norm(const DecoderConfig& config, const std::string& name) {
  return std::make_unique<Norm>(name, config.norm, config.width, config.norm_epsilon);
}

}  // namespace

struct Decoder::Block {
  Block(const DecoderConfig& config, int64_t number, const at::Generator& generator)
      : config(config),
        layer(fmt::format(fmt::runtime(config.names.layer), number)),
        attention(config, layer, number, generator) {
    const DecoderNames& names = config.names;
    const double residual =
        config.scaled_residuals ? 1 / std::sqrt(2.0 * static_cast<double>(config.layers)) : 1;
    const auto make = [&](const std::string& name, int64_t in, int64_t out, double scale) {
      return linear(config, layer + "." + name, in, out, config.mlp_biases, scale, generator);
    };
    attention_norm = norm(config, layer + "." + names.attention_norm);
    mlp_norm = norm(config, layer + "." + names.mlp_norm);
    if (config.gated) gate = make(names.gate, config.width, config.mlp_width, 1);
    up = make(names.up, config.width, config.mlp_width, 1);
    down = make(names.down, config.mlp_width, config.width, residual);
  }

  using Drop = std::function<Tensor(const Tensor&)>;

  Tensor forward(Tensor x, const AttentionInputs& inputs, KeyValueCache* cache,
                 const Drop& drop) const {
    if (config.norm_first) {
      x = x + drop(attention.forward(attention_norm->forward(x), inputs, cache));
      return x + drop(mlp(mlp_norm->forward(x)));
    }
    x = attention_norm->forward(x + drop(attention.forward(x, inputs, cache)));
    return mlp_norm->forward(x + drop(mlp(x)));
  }

  void add_seams(std::vector<Seam*>& seams) const {
    seams.push_back(attention_norm.get());
    attention.add_seams(seams);
    seams.push_back(mlp_norm.get());
    if (gate) seams.push_back(gate.get());
    seams.push_back(up.get());
    seams.push_back(down.get());
  }

  Tensor mlp(const Tensor& x) const { return down->forward(between(x)); }

  /// In a function of its own: what goes into the gate is let go before the product that follows.
  Tensor between(const Tensor& x) const {
    if (!config.gated) return activated(config.activation, up->forward(x));
    const std::vector<Tensor> inner = forward_each({gate.get(), up.get()}, x);
    return lethe::gated(config.activation, inner[0], inner[1]);
  }

  const DecoderConfig& config;
  const std::string layer;
  Attention attention;
  std::unique_ptr<Norm> attention_norm, mlp_norm;
  std::unique_ptr<Linear> gate, up, down;
};

Decoder::~Decoder() = default;

Decoder::Decoder(DecoderConfig config, at::Generator generator, at::Generator class_head)
    : config_(std::move(config)) {
  const DecoderNames& names = config_.names;
  const int64_t width = config_.width;
  const int64_t token_width = config_.embedding_width > 0 ? config_.embedding_width : width;
  const auto table = [&](int64_t rows, int64_t columns) {
    return normal_weight(rows, columns, deviation_of(config_, width), generator);
  };
  tokens_ = std::make_unique<Embedding>(names.tokens, table(config_.vocabulary, token_width),
                                        config_.padding_row);
  const bool learned = config_.positions == Positions::learned;
  if (learned) {
    positions_ = std::make_unique<Embedding>(
        names.positions, table(config_.max_length + config_.position_offset, width));
  }
  prompt_ = std::make_unique<Prompt>(*tokens_, learned ? config_.max_length : 0);
  const auto project = [&](const std::string& name, int64_t in, int64_t out) {
    return linear(config_, name, in, out, false, 1, generator);
  };
  if (token_width != width) project_in_ = project(names.project_in, token_width, width);
  if (config_.embedding_norm) embedding_norm_ = norm(config_, names.embedding_norm);
  for (int64_t number = 0; number < config_.layers; ++number) {
    blocks_.push_back(std::make_unique<Block>(config_, number, generator));
  }
  if (config_.final_norm) final_norm_ = norm(config_, names.final_norm);
  const bool projected = token_width != width && config_.labels == 0;
  if (projected) project_out_ = project(names.project_out, width, token_width);
  const auto head = [&](const std::string& name, int64_t in, int64_t out) {
    return linear(config_, name, in, out, false, 1, generator, SeamKind::head);
  };
  if (config_.labels > 0) {
    if (class_head.defined()) generator = class_head;
    head_ = head(names.score, width, config_.labels);
  } else if (!config_.tied) {
    head_ = head(names.head, token_width, config_.vocabulary);
  }
  if (config_.positions == Positions::alibi) slopes_ = alibi_slopes(config_.heads);
  if (config_.positions == Positions::rotary) rates_ = rope_rates(config_);
}

std::vector<Seam*> Decoder::seams() {
  std::vector<Seam*> found = {tokens_.get(), prompt_.get()};
  if (positions_) found.push_back(positions_.get());
  if (project_in_) found.push_back(project_in_.get());
  if (embedding_norm_) found.push_back(embedding_norm_.get());
  for (const auto& block : blocks_) block->add_seams(found);
  if (final_norm_) found.push_back(final_norm_.get());
  if (project_out_) found.push_back(project_out_.get());
  if (head_) found.push_back(head_.get());
  return found;
}

AttentionInputs Decoder::attention_inputs(const Tensor& position_ids, const Tensor& mask,
                                          const Tensor& segments, int64_t past) const {
  AttentionInputs inputs;
  const int64_t queries = position_ids.size(1), keys = past + queries;
  const auto options = tokens_->weight().options().dtype(at::kFloat);
  if (!rates_.empty()) {
    const Tensor rates = at::tensor(rates_, options);
    const Tensor angles = position_ids.to(at::kFloat).unsqueeze(-1) * rates;  // (B, T, d/2)
    const Tensor both = at::cat({angles, angles}, -1).unsqueeze(1);
    inputs.cos = both.cos();
    inputs.sin = both.sin();
  }
  if (training_ && config_.attention_dropout > 0) {
    inputs.dropout = config_.attention_dropout;
    inputs.generator = generator_;
  }
  if (!mask.defined() && !segments.defined() && slopes_.empty() && past == 0 && inputs.dropout == 0)
    return inputs;
  const float lowest = std::numeric_limits<float>::lowest();
  inputs.bias = at::full({1, 1, queries, keys}, lowest, options).triu(past + 1);
  if (segments.defined()) {
    inputs.bias = at::zeros({segments.size(0), 1, queries, keys}, options)
                      .masked_fill(segment_mask(segments).logical_not(), lowest);
  }
  if (mask.defined()) {
    inputs.bias = inputs.bias.masked_fill(mask.logical_not().view({-1, 1, 1, keys}), lowest);
  }
  if (!slopes_.empty()) {
    const Tensor slopes = at::tensor(slopes_, options).view({1, -1, 1, 1});
    const Tensor places = segments.defined() ? position_ids.to(at::kFloat)
                          : mask.defined()   ? mask.cumsum(1).sub_(1).mul_(mask).to(at::kFloat)
                                             : at::arange(keys, options).unsqueeze(0);
    inputs.bias = at::clamp_min(inputs.bias + slopes * places.view({-1, 1, 1, keys}), lowest);
  }
  return inputs;
}

Tensor Decoder::dropped(const Tensor& x, double p) const {
  return training_ ? dropout(x, p, generator_) : x;
}

Tensor Decoder::embedded(const Tensor& ids, const Tensor& position_ids, bool first) const {
  Tensor x = tokens_->forward(ids);
  if (first) x = prompt_->before(x);
  if (project_in_) x = project_in_->forward(x);
  if (positions_) {
    // Per-row gradients need positions of every row's own.
    const Tensor places =
        detail::recording() ? position_ids.expand({ids.size(0), -1}) : position_ids;
    x = x + positions_->forward(places + config_.position_offset);
  }
  if (embedding_norm_) x = embedding_norm_->forward(x);
  return dropped(x, config_.embedding_dropout);
}

Tensor Decoder::through_blocks(Tensor x, const AttentionInputs& inputs,
                               std::vector<KeyValueCache>& caches,
                               std::vector<Tensor>* states) const {
  const auto drop = [this](const Tensor& y) { return dropped(y, config_.dropout); };
  KeyValueCache* const first = caches.empty() ? nullptr : caches.data();
  BlockRun run;
  run.count = blocks_.size();
  run.block = [this, inputs, drop, first](size_t i, std::vector<Tensor>& given) {
    return blocks_[i]->forward(std::move(given[0]), inputs, first ? first + i : nullptr, drop);
  };
  run.add_seams = [this](size_t i, std::vector<Seam*>& seams) { blocks_[i]->add_seams(seams); };
  if (states != nullptr)
    run.seen = [states](const Tensor& entering) { states->push_back(entering); };
  run.cached = first != nullptr;
  std::vector<Tensor> given;  // no list, which would hold a copy
  given.push_back(std::move(x));
  return run_blocks(*this, run, std::move(given));
}

Tensor Decoder::hidden(const Tensor& ids, const Tensor& position_ids, const Tensor& mask,
                       std::vector<KeyValueCache>& caches, const Tensor& segments,
                       std::vector<Tensor>* states) {
  const int64_t past = caches.empty() ? 0 : caches[0].length();
  const AttentionInputs inputs = attention_inputs(position_ids, mask, segments, past);
  Tensor x = through_blocks(embedded(ids, position_ids, past == 0), inputs, caches, states);
  if (final_norm_) x = final_norm_->forward(x);
  if (project_out_) x = project_out_->forward(x);
  if (states != nullptr) states->push_back(x);
  return x;
}

Tensor Decoder::head(const Tensor& hidden) const {
  return head_ ? head_->forward(hidden) : tokens_->as_head(hidden);
}

Tensor Decoder::all_logits(const Tensor& ids, const Tensor& mask, const Tensor& positions,
                           std::vector<Tensor>* states) {
  std::vector<KeyValueCache> none;
  Tensor places = positions;
  if (!places.defined()) {
    places = mask.defined() ? mask.cumsum(1).sub_(1).clamp_min_(0)
                            : at::arange(ids.size(1), ids.options()).unsqueeze(0);
  }
  return head(hidden(ids, places, mask, none, {}, states));
}

Tensor Decoder::predicted_states(const Batch& batch) {
  std::vector<KeyValueCache> none;
  const int64_t length = batch.inputs.size(1), virtual_tokens = prompt_->size();
  if (batch.packed()) {
    if (virtual_tokens > 0) {
      fail("packed rows can't have virtual tokens before each; set train.pack = 0 for this method");
    }
    const Tensor x = hidden(batch.inputs, batch.position_ids, {}, none, batch.segments);
    return x.reshape({-1, x.size(2)}).index_select(0, batch.positions);
  }
  // Rows are right-padded, so a causal mask alone hides the padding from every token.
  const Tensor places = at::arange(virtual_tokens + length, batch.inputs.options()).unsqueeze(0);
  Tensor x = hidden(batch.inputs, places, {}, none);
  if (virtual_tokens > 0) x = x.narrow(1, virtual_tokens, length);
  Tensor positions = batch.positions;
  if (config_.labels > 0) {
    positions = at::arange(batch.rows(), batch.inputs.options()) * length + (length - 1);
    if (batch.mask.defined()) positions += batch.mask.sum(1) - length;
  }
  return x.reshape({-1, x.size(2)}).index_select(0, positions);
}

Tensor Decoder::forward(const Batch& batch) { return head(predicted_states(batch)); }

}  // namespace lethe
