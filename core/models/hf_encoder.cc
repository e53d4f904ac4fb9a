#include "core/models/hf_encoder.h"

#include "core/models/hf_values.h"

namespace lethe {

EncoderConfig encoder_config(const HfConfig& file, int64_t classes) {
  if (file.model_type() != "bert") file.refuse({"model_type"}, "bert");
  if (file.text({"position_embedding_type"}, "absolute") != "absolute") {
    file.refuse({"position_embedding_type"}, "absolute");
  }
  EncoderConfig config;
  const int64_t labels = file.entries({"id2label"});
  config.classes = classes > 0 ? classes : labels > 0 ? labels : 2;
  config.vocabulary = file.size({"vocab_size"});
  config.width = width_of(file, {"hidden_size"});
  config.mlp_width = width_of(file, {"intermediate_size"});
  config.layers = count_of(file, {"num_hidden_layers"});
  config.heads = count_of(file, {"num_attention_heads"});
  config.max_length = file.size({"max_position_embeddings"}, 512);
  config.types = file.size({"type_vocab_size"}, 2);
  config.norm_epsilon = file.number({"layer_norm_eps"}, 1e-12);
  config.dropout = dropout_of(file, "hidden_dropout_prob", 0.1);
  config.attention_dropout = dropout_of(file, "attention_probs_dropout_prob", 0.1);
  config.head_dropout = dropout_of(file, "classifier_dropout", config.dropout);
  config.initial_deviation = file.number({"initializer_range"}, 0.02);
  config.pad_id = file.integer({"pad_token_id"}, 0);
  config.activation = activation_of(file, {"hidden_act"}, "gelu");
  check(config);
  return config;
}

CheckpointRules encoder_rules(const HfConfig&) {
  CheckpointRules rules;
  rules.prefixes = {"bert."};
  rules.ignored = {R"(embeddings\.position_ids)", R"(cls\..*)"};
  rules.endings = {{".gamma", ".weight"}, {".beta", ".bias"}};
  rules.fresh = {R"(pooler\..*)", R"(classifier\..*)"};
  return rules;
}

}  // namespace lethe
