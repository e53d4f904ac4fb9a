#include "core/models/decoder_config.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace lethe {
namespace {

DecoderConfig gpt2() {
  DecoderConfig config;
  config.names = {
      "wte",         "wpe",  "",     "h.{}", "attn.c_attn", "",           "",     "",
      "attn.c_proj", "ln_1", "ln_2", "",     "mlp.c_fc",    "mlp.c_proj", "ln_f", "lm_head"};
  return config;
}

DecoderConfig opt() {
  DecoderConfig config;
  config.names = {"decoder.embed_tokens",
                  "decoder.embed_positions",
                  "",
                  "decoder.layers.{}",
                  "",
                  "self_attn.q_proj",
                  "self_attn.k_proj",
                  "self_attn.v_proj",
                  "self_attn.out_proj",
                  "self_attn_layer_norm",
                  "final_layer_norm",
                  "",
                  "fc1",
                  "fc2",
                  "decoder.final_layer_norm",
                  "lm_head"};
  config.fused = FusedLayout::none;
  config.activation = Activation::relu;
  config.position_offset = 2;
  return config;
}

DecoderConfig bloom() {
  DecoderConfig config;
  config.names = {"word_embeddings",
                  "",
                  "word_embeddings_layernorm",
                  "h.{}",
                  "self_attention.query_key_value",
                  "",
                  "",
                  "",
                  "self_attention.dense",
                  "input_layernorm",
                  "post_attention_layernorm",
                  "",
                  "mlp.dense_h_to_4h",
                  "mlp.dense_4h_to_h",
                  "ln_f",
                  "lm_head"};
  config.fused = FusedLayout::per_head;
  config.positions = Positions::alibi;
  config.embedding_norm = true;
  return config;
}

DecoderConfig llama() {
  DecoderConfig config;
  config.names = {"embed_tokens",
                  "",
                  "",
                  "layers.{}",
                  "",
                  "self_attn.q_proj",
                  "self_attn.k_proj",
                  "self_attn.v_proj",
                  "self_attn.o_proj",
                  "input_layernorm",
                  "post_attention_layernorm",
                  "mlp.gate_proj",
                  "mlp.up_proj",
                  "mlp.down_proj",
                  "norm",
                  "lm_head"};
  config.fused = FusedLayout::none;
  config.positions = Positions::rotary;
  config.norm = Norm::Form::rms;
  config.activation = Activation::silu;
  config.gated = true;
  config.qkv_biases = config.out_bias = config.mlp_biases = false;
  config.tied = false;
  return config;
}

}  // namespace

DecoderConfig family_config(const std::string& family) {
  if (family == "gpt2") return gpt2();
  if (family == "opt") return opt();
  if (family == "bloom") return bloom();
  return llama();
}

DecoderConfig decoder_config(const DecoderOptions& options, const ModelShape& shape) {
  if (shape.vocabulary == 0) {
    fail("the model 'decoder' takes text, but the stream gives images; choose the model 'mlp'");
  }
  if (options.width % options.heads != 0) {
    fail("decoder: width {} is not a multiple of heads {}; change one of them", options.width,
         options.heads);
  }
  DecoderConfig config = family_config(options.family);
  config.vocabulary = shape.vocabulary;
  config.width = options.width;
  config.layers = options.layers;
  config.heads = options.heads;
  config.kv_heads = options.kv_heads == 0 ? options.heads : options.kv_heads;
  config.head_dim = options.width / options.heads;
  config.mlp_width = options.mlp_width == 0 ? 4 * options.width : options.mlp_width;
  config.max_length = options.max_length == 0 ? shape.longest : options.max_length;
  config.dropout = config.embedding_dropout = options.dropout;
  if (options.heads % config.kv_heads != 0 ||
      (config.kv_heads != options.heads && config.fused != FusedLayout::none)) {
    fail(
        "decoder: kv_heads {} does not fit heads {} of family '{}'; give a divisor, with llama "
        "only",
        config.kv_heads, options.heads, options.family);
  }
  if (config.positions == Positions::rotary && config.head_dim % 2 != 0) {
    fail("decoder: rotary positions need an even head width, not {}; change width or heads",
         config.head_dim);
  }
  if (config.max_length < shape.longest) {
    fail("decoder: max_length {} is below the stream's longest row, {} tokens; raise it",
         config.max_length, shape.longest);
  }
  return config;
}

std::vector<float> rope_rates(const DecoderConfig& config) {
  constexpr double kPi = 3.14159265358979323846;
  const RopeScaling& scaling = config.rope_scaling;
  std::vector<float> rates;
  for (int64_t i = 0; i < config.head_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(config.head_dim);
    double rate = std::pow(config.rope_theta, -exponent);
    if (scaling.original_length == 0) {
      rate /= scaling.factor;
    } else {
      const double turns = static_cast<double>(scaling.original_length) * rate / (2 * kPi);
      const double kept =
          std::clamp((turns - scaling.low) / (scaling.high - scaling.low), 0.0, 1.0);
      rate = (1 - kept) * rate / scaling.factor + kept * rate;
    }
    rates.push_back(static_cast<float>(rate));
  }
  return rates;
}

std::vector<float> alibi_slopes(int64_t heads) {
  int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<float> slopes;
  for (int64_t i = 1; i <= power; ++i) {
    slopes.push_back(
        static_cast<float>(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(power))));
  }
  for (int64_t i = 1; static_cast<int64_t>(slopes.size()) < heads; i += 2) {
    slopes.push_back(
        static_cast<float>(std::exp2(-4.0 * static_cast<double>(i) / static_cast<double>(power))));
  }
  return slopes;
}

}  // namespace lethe
