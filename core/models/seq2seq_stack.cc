#include "core/models/seq2seq_stack.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/models/block_run.h"
#include "core/models/initial.h"

namespace lethe {

struct Seq2SeqStack::Block {
  Block(const Seq2SeqConfig& config, Side side, const std::string& name, at::Generator generator)
      : activation(config.activation),
        own(config, name + ".layer.0.SelfAttention", generator),
        own_norm(norm(config, name + ".layer.0")) {
    int64_t layer = 1;
    if (side == Side::decoder) {
      memory =
          std::make_unique<Seq2SeqAttention>(config, name + ".layer.1.EncDecAttention", generator);
      memory_norm = norm(config, name + ".layer.1");
      layer = 2;
    }
    const std::string mlp = fmt::format("{}.layer.{}", name, layer);
    mlp_norm = norm(config, mlp);
    const auto make = [&](const char* part, int64_t in, int64_t out) {
      const double deviation = config.initial_factor / std::sqrt(static_cast<double>(in));
      return std::make_unique<Linear>(mlp + ".DenseReluDense." + part,
                                      normal_weight(out, in, deviation, generator), Tensor());
    };
    in = make(config.gated ? "wi_0" : "wi", config.width, config.mlp_width);
    if (config.gated) linear_in = make("wi_1", config.width, config.mlp_width);
    out = make("wo", config.mlp_width, config.width);
  }

  static std::unique_ptr<Norm> norm(const Seq2SeqConfig& config, const std::string& layer) {
    return std::make_unique<Norm>(layer + ".layer_norm", Norm::Form::rms, config.width,
                                  config.norm_epsilon);
  }

  Tensor forward(Tensor x, const Tensor& bias, const StackInputs& inputs, StackCache* cache) const {
    const Dropout& drop = inputs.drop;
    x = x + drop(own.over_itself(own_norm->forward(x), bias, drop,
                                 cache == nullptr ? nullptr : &cache->own));
    if (memory) {
      x = x + drop(memory->over(inputs.memory, memory_norm->forward(x), inputs.memory_padding, drop,
                                cache == nullptr ? nullptr : &cache->memory));
    }
    const Tensor normed = mlp_norm->forward(x);
    return x + drop(out->forward(drop(between(normed))));
  }

  Tensor between(const Tensor& normed) const {
    if (!linear_in) return activated(activation, in->forward(normed));
    const std::vector<Tensor> made = forward_each({in.get(), linear_in.get()}, normed);
    return gated(activation, made[0], made[1]);
  }

  void add_seams(std::vector<Seam*>& seams) const {
    seams.push_back(own_norm.get());
    own.add_seams(seams);
    if (memory) {
      seams.push_back(memory_norm.get());
      memory->add_seams(seams);
    }
    seams.push_back(mlp_norm.get());
    seams.push_back(in.get());
    if (linear_in) seams.push_back(linear_in.get());
    seams.push_back(out.get());
  }

  Activation activation;
  Seq2SeqAttention own;
  std::unique_ptr<Seq2SeqAttention> memory;  // a decoder's
  std::unique_ptr<Norm> own_norm, memory_norm, mlp_norm;
  std::unique_ptr<Linear> in, linear_in, out;
};

Seq2SeqStack::~Seq2SeqStack() = default;

Seq2SeqStack::Seq2SeqStack(const Seq2SeqConfig& config, Side side, at::Generator generator)
    : side_(side), buckets_{config.buckets, config.max_distance, side == Side::encoder} {
  const std::string name = side == Side::encoder ? "encoder" : "decoder";
  const double deviation = config.initial_factor / std::sqrt(static_cast<double>(config.width));
  relative_ = std::make_unique<Embedding>(
      name + ".block.0.layer.0.SelfAttention.relative_attention_bias",
      normal_weight(config.buckets, config.heads, deviation, generator));
  const int64_t layers = side == Side::encoder ? config.layers : config.decoder_layers;
  for (int64_t layer = 0; layer < layers; ++layer) {
    blocks_.push_back(
        std::make_unique<Block>(config, side, fmt::format("{}.block.{}", name, layer), generator));
  }
  final_norm_ = std::make_unique<Norm>(name + ".final_layer_norm", Norm::Form::rms, config.width,
                                       config.norm_epsilon);
}

void Seq2SeqStack::add_seams(std::vector<Seam*>& seams) {
  seams.push_back(relative_.get());
  for (const auto& block : blocks_) block->add_seams(seams);
  seams.push_back(final_norm_.get());
}

Tensor Seq2SeqStack::position_bias(int64_t past, int64_t queries) const {
  const int64_t keys = past + queries;
  const Tensor distances =
      at::arange(keys, at::kLong).unsqueeze(0) - at::arange(past, keys, at::kLong).unsqueeze(1);
  const at::Device device = relative_->weight().device();
  const Tensor bias =
      relative_->forward(buckets_.of(distances).to(device)).permute({2, 0, 1}).contiguous();
  if (side_ == Side::encoder) return bias.unsqueeze(0);
  return bias.masked_fill((distances > 0).to(device), std::numeric_limits<float>::lowest())
      .unsqueeze(0);
}

Tensor Seq2SeqStack::forward(const Model& model, const Tensor& embedded, const StackInputs& inputs,
                             std::vector<StackCache>& caches, const Seen& seen) const {
  const int64_t past = caches.empty() ? 0 : caches[0].own.length();
  Tensor bias = position_bias(past, embedded.size(1));
  if (inputs.padding.defined()) bias = bias + inputs.padding;
  Tensor x = inputs.drop(embedded);
  StackCache* const first = caches.empty() ? nullptr : caches.data();
  BlockRun run;
  run.count = blocks_.size();
  run.block = [this, inputs, first](size_t i, std::vector<Tensor>& given) {
    StackInputs same = inputs;
    same.memory = given[2];
    return blocks_[i]->forward(std::move(given[0]), given[1], same, first ? first + i : nullptr);
  };
  run.add_seams = [this](size_t i, std::vector<Seam*>& seams) { blocks_[i]->add_seams(seams); };
  run.seen = seen;
  run.cached = first != nullptr;
  x = run_blocks(model, run, {x, bias, inputs.memory});
  x = inputs.drop(final_norm_->forward(x));
  if (seen) seen(x);
  return x;
}

}  // namespace lethe
