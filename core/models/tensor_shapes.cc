#include "core/models/tensor_shapes.h"

#include <fmt/ranges.h>

#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/models/pretrained.h"

namespace lethe {
namespace {

class Shapes {
 public:
  void add(const std::string& name, std::vector<int64_t> shape) {
    all_.push_back({name, std::move(shape)});
  }
  void linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    add(name + ".weight", {out, in});
    if (bias) add(name + ".bias", {out});
  }
  void norm(const std::string& name, int64_t width, bool bias) {
    add(name + ".weight", {width});
    if (bias) add(name + ".bias", {width});
  }
  std::vector<TensorShape> take() { return std::move(all_); }

 private:
  std::vector<TensorShape> all_;
};

/// T5, T5 v1.1, FLAN-T5, T0 and mT5 (spec of their modules: transformers' modeling_t5.py).
class T5Shapes {
 public:
  explicit T5Shapes(const HfConfig& config)
      : config_(config),
        width_(config.size({"d_model"})),
        heads_(config.size({"num_heads"})),
        inner_(heads_ * config.size({"d_kv"}, 64)),
        mlp_(config.size({"d_ff"})),
        gated_(config.text({"feed_forward_proj"}, "relu").rfind("gated-", 0) == 0) {}

  std::vector<TensorShape> all() {
    const int64_t vocabulary = config_.size({"vocab_size"});
    const int64_t layers = config_.size({"num_layers"});
    shapes_.add("shared.weight", {vocabulary, width_});
    stack("encoder", layers, false);
    stack("decoder", config_.size({"num_decoder_layers"}, layers), true);
    const bool tied = config_.flag({"tie_word_embeddings"}, config_.model_type() != "mt5");
    if (!tied) shapes_.add("lm_head.weight", {vocabulary, width_});
    return shapes_.take();
  }

 private:
  void stack(const std::string& name, int64_t layers, bool crossed) {
    for (int64_t i = 0; i < layers; ++i) {
      const std::string block = fmt::format("{}.block.{}.layer.", name, i);
      attention(block + "0", "SelfAttention", i == 0);
      if (crossed) attention(block + "1", "EncDecAttention", false);
      feed_forward(block + (crossed ? "2" : "1"));
    }
    shapes_.norm(name + ".final_layer_norm", width_, false);
  }
  void attention(const std::string& layer, const std::string& kind, bool biased) {
    for (const char* letter : {".q", ".k", ".v"}) {
      shapes_.linear(layer + "." + kind + letter, inner_, width_, false);
    }
    shapes_.linear(layer + "." + kind + ".o", width_, inner_, false);
    if (biased) {
      shapes_.add(layer + "." + kind + ".relative_attention_bias.weight",
                  {config_.size({"relative_attention_num_buckets"}, 32), heads_});
    }
    shapes_.norm(layer + ".layer_norm", width_, false);
  }
  void feed_forward(const std::string& layer) {
    const std::string dense = layer + ".DenseReluDense.";
    shapes_.linear(dense + (gated_ ? "wi_0" : "wi"), mlp_, width_, false);
    if (gated_) shapes_.linear(dense + "wi_1", mlp_, width_, false);
    shapes_.linear(dense + "wo", width_, mlp_, false);
    shapes_.norm(layer + ".layer_norm", width_, false);
  }

  const HfConfig& config_;
  int64_t width_, heads_, inner_, mlp_;
  bool gated_;
  Shapes shapes_;
};

/// BERT with its pooler, and the classifier where the architecture has one.
std::vector<TensorShape> bert_shapes(const HfConfig& config) {
  const int64_t width = config.size({"hidden_size"}), mlp = config.size({"intermediate_size"});
  Shapes shapes;
  const std::string embeddings = "bert.embeddings.";
  shapes.add(embeddings + "word_embeddings.weight", {config.size({"vocab_size"}), width});
  shapes.add(embeddings + "position_embeddings.weight",
             {config.size({"max_position_embeddings"}, 512), width});
  shapes.add(embeddings + "token_type_embeddings.weight",
             {config.size({"type_vocab_size"}, 2), width});
  shapes.norm(embeddings + "LayerNorm", width, true);
  for (int64_t i = 0; i < config.size({"num_hidden_layers"}); ++i) {
    const std::string layer = fmt::format("bert.encoder.layer.{}.", i);
    for (const char* name : {"query", "key", "value"}) {
      shapes.linear(layer + "attention.self." + name, width, width, true);
    }
    shapes.linear(layer + "attention.output.dense", width, width, true);
    shapes.norm(layer + "attention.output.LayerNorm", width, true);
    shapes.linear(layer + "intermediate.dense", mlp, width, true);
    shapes.linear(layer + "output.dense", width, mlp, true);
    shapes.norm(layer + "output.LayerNorm", width, true);
  }
  shapes.linear("bert.pooler.dense", width, width, true);
  const std::vector<std::string> names = config.architectures();
  if (!names.empty() && names[0].ends_with("ForSequenceClassification")) {
    const int64_t labels = config.has({"id2label"}) ? config.entries({"id2label"}) : 2;
    shapes.linear("classifier", labels, width, true);
  }
  return shapes.take();
}

std::vector<TensorShape> model_shapes(const HfConfig& config) {
  std::vector<TensorShape> shapes;
  const auto model = pretrained_family(config).make(config, false, at::Generator());
  for (const Parameter& parameter : model->parameters()) {
    shapes.push_back({parameter.name, parameter.value.sizes().vec()});
  }
  return shapes;
}

}  // namespace

int64_t TensorShape::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<TensorShape> tensor_shapes(const HfConfig& config) {
  const std::string type = config.model_type();
  if (type == "t5" || type == "mt5") return T5Shapes(config).all();
  if (type == "bert") return bert_shapes(config);
  if (pretrained_families().count(type) == 0) {
    std::set<std::string> known = {"bert", "mt5", "t5"};
    for (const auto& [name, family] : pretrained_families()) known.insert(name);
    config.refuse({"model_type"}, fmt::format("one of {}", fmt::join(known, ", ")));
  }
  return model_shapes(config);
}

std::vector<std::string> lora_targets(const std::string& model_type) {
  static const std::map<std::string, std::vector<std::string>> known = {
      {"gpt2", {"c_attn"}},
      {"opt", {"q_proj", "v_proj"}},
      {"bloom", {"query_key_value"}},
      {"llama", {"q_proj", "v_proj"}},
      {"mistral", {"q_proj", "v_proj"}},
      {"qwen2", {"q_proj", "v_proj"}},
      {"t5", {"q", "v"}},
      {"mt5", {"q", "v"}},
      {"bert", {"query", "value"}}};
  const auto found = known.find(model_type);
  return found == known.end() ? std::vector<std::string>() : found->second;
}

bool is_target(const std::string& name, const std::vector<std::string>& targets) {
  for (const std::string& target : targets) {
    if (name == target || name.ends_with("." + target)) return true;
  }
  return false;
}

}  // namespace lethe
