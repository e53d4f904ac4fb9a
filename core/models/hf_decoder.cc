#include "core/models/hf_decoder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/models/hf_values.h"

namespace lethe {
namespace {

void put_before(const std::string& prefix, std::initializer_list<std::string*> names) {
  for (std::string* name : names) *name = prefix + *name;
}

void refuse_flag(const HfConfig& config, const std::string& key, bool supported) {
  if (config.flag({key}, supported) != supported) {
    config.refuse({key}, supported ? "true" : "false: no other computation is supported");
  }
}

/// What all families have under one key or another.
DecoderConfig common(const HfConfig& config, const std::string& family) {
  DecoderConfig made = family_config(family);
  made.vocabulary = config.size({"vocab_size"});
  made.width = width_of(config, {"hidden_size", "n_embd", "n_embed", "d_model"});
  made.layers = count_of(config, {"num_hidden_layers", "n_layer", "num_layers"});
  made.heads = count_of(config, {"num_attention_heads", "n_head", "num_heads"});
  made.kv_heads = made.heads;
  made.head_dim = made.width / made.heads;
  const bool own_width = family == "llama" && config.has({"head_dim"});
  if (made.head_dim * made.heads != made.width && !own_width) {
    config.refuse({"num_attention_heads", "n_head", "num_heads"},
                  fmt::format("a divisor of the width {}", made.width));
  }
  made.mlp_width =
      width_of(config, {"intermediate_size", "ffn_dim", "n_inner", "d_ff"}, 4 * made.width);
  made.deviation = config.number({"initializer_range", "init_std"}, 0.02);
  made.scaled_residuals = false;
  return made;
}

DecoderConfig gpt2(const HfConfig& config) {
  DecoderConfig made = common(config, "gpt2");
  refuse_flag(config, "add_cross_attention", false);
  DecoderNames& names = made.names;
  put_before("transformer.", {&names.tokens, &names.positions, &names.layer, &names.final_norm});
  made.max_length = config.size({"n_positions", "max_position_embeddings"}, 1024);
  made.norm_epsilon = config.number({"layer_norm_epsilon"}, 1e-5);
  made.activation = activation_of(config, {"activation_function"}, "gelu_new");
  made.scores_by_width = config.flag({"scale_attn_weights"}, true);
  made.scores_by_layer = config.flag({"scale_attn_by_inverse_layer_idx"}, false);
  made.embedding_dropout = dropout_of(config, "embd_pdrop", 0.1);
  made.attention_dropout = dropout_of(config, "attn_pdrop", 0.1);
  made.dropout = dropout_of(config, "resid_pdrop", 0.1);
  made.tied = config.flag({"tie_word_embeddings"}, true);
  made.scaled_residuals = true;
  return made;
}

DecoderConfig opt(const HfConfig& config) {
  DecoderConfig made = common(config, "opt");
  refuse_flag(config, "layer_norm_elementwise_affine", true);
  if (config.number({"layerdrop"}, 0) != 0) config.refuse({"layerdrop"}, "0");
  DecoderNames& names = made.names;
  put_before("model.", {&names.tokens, &names.positions, &names.layer, &names.final_norm});
  put_before("model.decoder.", {&names.project_in, &names.project_out});
  made.max_length = config.size({"max_position_embeddings"}, 2048);
  made.activation = activation_of(config, {"activation_function"}, "relu");
  made.qkv_biases = made.out_bias = made.mlp_biases = config.flag({"enable_bias"}, true);
  made.norm_first = config.flag({"do_layer_norm_before"}, true);
  made.final_norm = made.norm_first && !config.flag({"_remove_final_layer_norm"}, false);
  made.embedding_width = width_of(config, {"word_embed_proj_dim"}, made.width);
  made.attention_dropout = dropout_of(config, "attention_dropout", 0);
  made.dropout = dropout_of(config, "dropout", 0.1);
  made.tied = config.flag({"tie_word_embeddings"}, true);
  made.padding_row = config.integer({"pad_token_id"}, 1);
  return made;
}

DecoderConfig bloom(const HfConfig& config) {
  DecoderConfig made = common(config, "bloom");
  refuse_flag(config, "apply_residual_connection_post_layernorm", false);
  DecoderNames& names = made.names;
  put_before("transformer.",
             {&names.tokens, &names.embedding_norm, &names.layer, &names.final_norm});
  made.mlp_width = 4 * made.width;  // the family has no other
  made.max_length = 0;
  made.norm_epsilon = config.number({"layer_norm_epsilon"}, 1e-5);
  made.attention_dropout = dropout_of(config, "attention_dropout", 0);
  made.dropout = dropout_of(config, "hidden_dropout", 0);
  made.tied = config.flag({"tie_word_embeddings"}, true);
  return made;
}

RopeScaling rope_scaling_of(const HfConfig& config) {
  const std::string in = config.has({"rope_parameters"}) ? "rope_parameters." : "rope_scaling.";
  RopeScaling scaling;
  const std::string type = config.text({in + "rope_type", in + "type"}, "default");
  if (type == "default") return scaling;
  if (type != "linear" && type != "llama3") {
    config.refuse({in + "rope_type", in + "type"}, "one of default, linear, llama3");
  }
  const auto above_zero = [&](const std::string& key) {
    const double value = config.number({in + key});
    if (!(value > 0)) config.refuse({in + key}, "a number above 0");
    return value;
  };
  scaling.factor = above_zero("factor");
  if (type == "linear") return scaling;
  scaling.original_length = config.size({in + "original_max_position_embeddings"});
  scaling.low = above_zero("low_freq_factor");
  scaling.high = above_zero("high_freq_factor");
  if (!(scaling.high > scaling.low)) {
    config.refuse({in + "high_freq_factor"}, "a number above low_freq_factor");
  }
  return scaling;
}

DecoderConfig llama(const HfConfig& config) {
  DecoderConfig made = common(config, "llama");
  DecoderNames& names = made.names;
  put_before("model.", {&names.tokens, &names.layer, &names.final_norm});
  made.kv_heads = count_of(config, {"num_key_value_heads"}, made.heads);
  if (made.heads % made.kv_heads != 0) {
    config.refuse({"num_key_value_heads"}, fmt::format("a divisor of {} heads", made.heads));
  }
  made.head_dim = count_of(config, {"head_dim"}, made.head_dim);
  if (made.head_dim % 2 != 0) {
    fail("{}: the head width is {}, expected an even one: rotary positions turn pairs",
         config.path(), made.head_dim);
  }
  made.max_length = config.size({"max_position_embeddings"}, 2048);
  made.norm_epsilon = config.number({"rms_norm_eps"}, 1e-6);
  made.rope_theta = config.number({"rope_parameters.rope_theta", "rope_theta"}, 10000);
  if (!(made.rope_theta > 0)) {
    config.refuse({"rope_parameters.rope_theta", "rope_theta"}, "a number above 0");
  }
  made.rope_scaling = rope_scaling_of(config);
  made.activation = activation_of(config, {"hidden_act"}, "silu");
  made.qkv_biases = made.out_bias = config.flag({"attention_bias"}, false);
  made.mlp_biases = config.flag({"mlp_bias"}, false);
  made.attention_dropout = dropout_of(config, "attention_dropout", 0);
  made.tied = config.flag({"tie_word_embeddings"}, false);
  made.padding_row = config.integer({"pad_token_id"}, -1);
  return made;
}

/// Within the window it is plain causal attention, so that longer rows are what is refused.
void limit_to_window(const HfConfig& config, DecoderConfig& made) {
  if (config.has({"sliding_window"})) {
    made.max_length = std::min(made.max_length, config.size({"sliding_window"}));
  }
}

DecoderConfig mistral(const HfConfig& config) {
  DecoderConfig made = llama(config);
  limit_to_window(config, made);
  return made;
}

DecoderConfig qwen2(const HfConfig& config) {
  DecoderConfig made = llama(config);
  made.qkv_biases = true;
  made.out_bias = false;
  if (config.flag({"use_sliding_window"}, false)) limit_to_window(config, made);
  return made;
}

using Reader = DecoderConfig (*)(const HfConfig&);
const std::map<std::string, Reader>& readers() {
  static const std::map<std::string, Reader> all = {{"gpt2", &gpt2},       {"opt", &opt},
                                                    {"bloom", &bloom},     {"llama", &llama},
                                                    {"mistral", &mistral}, {"qwen2", &qwen2}};
  return all;
}

}  // namespace

std::vector<std::string> decoder_families() {
  std::vector<std::string> names;
  for (const auto& [name, reader] : readers()) names.push_back(name);
  return names;
}

DecoderConfig decoder_config(const HfConfig& config) {
  const auto reader = readers().find(config.model_type());
  if (reader == readers().end()) {
    config.refuse({"model_type"}, fmt::format("one of {}", fmt::join(decoder_families(), ", ")));
  }
  DecoderConfig made = reader->second(config);
  const std::vector<std::string> architectures = config.architectures();
  if (!architectures.empty() && architectures[0].ends_with("ForSequenceClassification")) {
    made.labels =
        config.has({"id2label"}) ? config.entries({"id2label"}) : config.size({"num_labels"}, 2);
  }
  if (made.padding_row >= made.vocabulary) {
    config.refuse({"pad_token_id"}, fmt::format("an id below vocab_size {}", made.vocabulary));
  }
  return made;
}

CheckpointRules decoder_rules(const HfConfig& config) {
  const DecoderConfig made = decoder_config(config);
  const std::string type = config.model_type();
  CheckpointRules rules;
  const bool plain = type == "gpt2" || type == "bloom";
  rules.prefixes = {plain ? "transformer." : "model."};
  std::string tokens = made.names.tokens;
  if (type == "opt") rules.prefixes.emplace_back("decoder.");
  for (const std::string& prefix : rules.prefixes) {
    if (tokens.rfind(prefix, 0) == 0) tokens = tokens.substr(prefix.size());
  }
  if (type == "gpt2") {
    rules.ignored = {R"(h\.\d+\.attn\.(bias|masked_bias))"};
    rules.transposed = {R"(h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight)"};
  }
  if (made.positions == Positions::rotary) {
    rules.ignored = {R"(layers\.\d+\.self_attn\.rotary_emb\.inv_freq)"};
  }
  if (made.labels > 0) {
    rules.ignored.emplace_back(R"(lm_head\.weight)");
    rules.fresh = {R"(score\.weight)"};
  } else if (made.tied) {
    rules.tied = {{"lm_head.weight", tokens + ".weight"}};
  }
  return rules;
}

}  // namespace lethe
