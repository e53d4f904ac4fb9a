#include "core/models/hf_seq2seq.h"

#include "core/models/hf_values.h"

namespace lethe {
namespace {

/// feed_forward_proj: "relu", "gated-gelu" (which is gelu's tanh form), "gated-silu".
void read_mlp(const HfConfig& file, bool multilingual, Seq2SeqConfig& config) {
  const HfConfig::Keys key = {"feed_forward_proj"};
  std::string name = file.text(key, multilingual ? "gated-gelu" : "relu");
  config.gated = name.starts_with("gated-");
  if (name == "gated-gelu") name = "gated-gelu_new";
  const auto activation = activation_called(config.gated ? name.substr(6) : name);
  if (!activation) file.refuse(key, "relu, gelu, silu, or one of them after 'gated-'");
  config.activation = *activation;
}

}  // namespace

Seq2SeqConfig seq2seq_config(const HfConfig& file) {
  const bool multilingual = file.model_type() == "mt5";
  if (!multilingual && file.model_type() != "t5") file.refuse({"model_type"}, "t5 or mt5");
  Seq2SeqConfig config;
  config.vocabulary = file.size({"vocab_size"});
  config.width = width_of(file, {"d_model"});
  config.head_dim = count_of(file, {"d_kv"}, 64);
  config.mlp_width = width_of(file, {"d_ff"});
  config.layers = count_of(file, {"num_layers"});
  config.decoder_layers = count_of(file, {"num_decoder_layers"}, config.layers);
  config.heads = count_of(file, {"num_heads"});
  config.buckets = file.size({"relative_attention_num_buckets"}, 32);
  config.max_distance = file.size({"relative_attention_max_distance"}, 128);
  config.dropout = dropout_of(file, "dropout_rate", 0.1);
  config.norm_epsilon = file.number({"layer_norm_epsilon"}, 1e-6);
  config.initial_factor = file.number({"initializer_factor"}, 1);
  config.tied = file.flag({"tie_word_embeddings"}, !multilingual);
  config.start_id = file.integer({"decoder_start_token_id", "pad_token_id"}, 0);
  read_mlp(file, multilingual, config);
  check(config);
  return config;
}

CheckpointRules seq2seq_rules(const HfConfig& file) {
  CheckpointRules rules;
  // A table that old files hold and no version reads: cross attention has no positions.
  rules.ignored = {
      R"(decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight)"};
  rules.tied = {{"encoder.embed_tokens.weight", "shared.weight"},
                {"decoder.embed_tokens.weight", "shared.weight"}};
  if (seq2seq_config(file).tied) rules.tied["lm_head.weight"] = "shared.weight";
  return rules;
}

}  // namespace lethe
