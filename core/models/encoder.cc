#include "core/models/encoder.h"

#include <cmath>

#include "core/error.h"
#include "core/models/block_run.h"
#include "core/models/initial.h"

namespace lethe {
namespace {

/// Weights normal with the configured deviation, bias 0.
std::unique_ptr<Linear> fresh_linear(const EncoderConfig& config, const std::string& name,
                                     int64_t in, int64_t out, at::Generator generator,
                                     SeamKind kind = SeamKind::linear) {
  return std::make_unique<Linear>(
      name, normal_weight(out, in, config.initial_deviation, std::move(generator)),
      at::zeros({out}, at::kFloat), kind);
}

}  // namespace

struct Encoder::Layer {
  Layer(const EncoderConfig& config, const std::string& name, at::Generator generator)
      : heads(config.heads), activation(config.activation) {
    const auto make = [&](const char* part, int64_t in, int64_t out) {
      return fresh_linear(config, name + "." + part, in, out, generator);
    };
    const auto norm = [&](const char* part) {
      return std::make_unique<Norm>(name + "." + part, Norm::Form::layer, config.width,
                                    config.norm_epsilon);
    };
    query = make("attention.self.query", config.width, config.width);
    key = make("attention.self.key", config.width, config.width);
    value = make("attention.self.value", config.width, config.width);
    out = make("attention.output.dense", config.width, config.width);
    attention_norm = norm("attention.output.LayerNorm");
    up = make("intermediate.dense", config.width, config.mlp_width);
    down = make("output.dense", config.mlp_width, config.width);
    mlp_norm = norm("output.LayerNorm");
  }

  Tensor forward(const Tensor& x, const Tensor& padding, const Dropout& drop,
                 const Dropout& attention_drop) const {
    const std::vector<Tensor> made = forward_each({query.get(), key.get(), value.get()}, x);
    const Tensor q = by_head(made[0], heads), k = by_head(made[1], heads);
    const Tensor v = by_head(made[2], heads);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
    const Tensor mixed = attention_drop.p > 0 ? attend(q, k, v, scale, padding, attention_drop)
                                              : attend_fused(q, k, v, scale, padding);
    const Tensor read = attention_norm->forward(x + drop(out->forward(mixed)));
    const Tensor inner = activated(activation, up->forward(read));
    return mlp_norm->forward(read + drop(down->forward(inner)));
  }

  void add_seams(std::vector<Seam*>& seams) const {
    for (Linear* seam : {query.get(), key.get(), value.get(), out.get()}) seams.push_back(seam);
    seams.push_back(attention_norm.get());
    seams.push_back(up.get());
    seams.push_back(down.get());
    seams.push_back(mlp_norm.get());
  }

  int64_t heads;
  Activation activation;
  std::unique_ptr<Linear> query, key, value, out, up, down;
  std::unique_ptr<Norm> attention_norm, mlp_norm;
};

Encoder::~Encoder() = default;

void check(const EncoderConfig& config) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"vocabulary", config.vocabulary}, {"classes", config.classes}, {"width", config.width},
      {"mlp_width", config.mlp_width},   {"layers", config.layers},   {"heads", config.heads},
      {"max_length", config.max_length}, {"types", config.types},
  };
  for (const auto& [name, size] : sizes) {
    if (size < 1) fail("encoder: {} is {}; expected at least 1", name, size);
  }
  if (config.width % config.heads != 0) {
    fail("encoder: width {} is not a multiple of heads {}; change one of them", config.width,
         config.heads);
  }
}

Encoder::Encoder(const EncoderConfig& config, at::Generator generator, at::Generator head)
    : config_(config) {
  check(config_);
  const auto table = [&](const char* name, int64_t rows) {
    Tensor weight = normal_weight(rows, config_.width, config_.initial_deviation, generator);
    if (generator.defined() && std::string(name) == "word" && config_.pad_id >= 0 &&
        config_.pad_id < rows) {
      weight[config_.pad_id].zero_();
    }
    return std::make_unique<Embedding>(fmt::format("bert.embeddings.{}_embeddings", name),
                                       std::move(weight));
  };
  words_ = table("word", config_.vocabulary);
  positions_ = table("position", config_.max_length);
  types_ = table("token_type", config_.types);
  norm_ = std::make_unique<Norm>("bert.embeddings.LayerNorm", Norm::Form::layer, config_.width,
                                 config_.norm_epsilon);
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    layers_.push_back(
        std::make_unique<Layer>(config_, fmt::format("bert.encoder.layer.{}", layer), generator));
  }
  if (!head.defined()) head = generator;
  pooler_ = fresh_linear(config_, "bert.pooler.dense", config_.width, config_.width, head);
  classifier_ =
      fresh_linear(config_, "classifier", config_.width, config_.classes, head, SeamKind::head);
}

std::vector<Seam*> Encoder::seams() {
  std::vector<Seam*> found = {words_.get(), positions_.get(), types_.get(), norm_.get()};
  for (const auto& layer : layers_) layer->add_seams(found);
  found.push_back(pooler_.get());
  found.push_back(classifier_.get());
  return found;
}

Tensor Encoder::embedded(const Batch& batch) const {
  const int64_t length = batch.inputs.size(1);
  if (length > config_.max_length) {
    fail("encoder: a row has {} tokens, but the model has {} positions; shorten the rows", length,
         config_.max_length);
  }
  const Tensor places = at::arange(length, batch.inputs.options()).unsqueeze(0);
  const Tensor types = batch.token_types.defined() ? batch.token_types : at::zeros_like(places);
  return norm_->forward(words_->forward(batch.inputs) + types_->forward(types) +
                        positions_->forward(places));
}

Tensor Encoder::hidden(const Batch& batch, const Seen& seen) const {
  const Tensor padding = padding_bias(batch.mask);
  const Dropout states = drop(config_.dropout), weights = drop(config_.attention_dropout);
  BlockRun run;
  run.count = layers_.size();
  run.block = [this, padding, states, weights](size_t i, std::vector<Tensor>& given) {
    return layers_[i]->forward(std::move(given[0]), padding, states, weights);
  };
  run.add_seams = [this](size_t i, std::vector<Seam*>& seams) { layers_[i]->add_seams(seams); };
  run.seen = seen;
  std::vector<Tensor> given;  // no list, which would hold a copy
  given.push_back(states(embedded(batch)));
  Tensor x = run_blocks(*this, run, std::move(given));
  if (seen) seen(x);
  return x;
}

Tensor Encoder::pooled(const Tensor& hidden) const {
  return pooler_->forward(hidden.select(1, 0)).tanh();
}

Tensor Encoder::forward(const Batch& batch) {
  return classifier_->forward(drop(config_.head_dropout)(pooled(hidden(batch))));
}

}  // namespace lethe
