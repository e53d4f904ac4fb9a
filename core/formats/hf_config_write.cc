#include "core/formats/hf_config_write.h"

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace lethe {
namespace {

using Json = nlohmann::ordered_json;

Json gpt2(const DecoderConfig& config) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"activation_function", "gelu_new"},
          {"attn_pdrop", 0.0},
          {"embd_pdrop", config.dropout},
          {"resid_pdrop", config.dropout},
          {"layer_norm_epsilon", config.norm_epsilon},
          {"n_embd", config.width},
          {"n_head", config.heads},
          {"n_inner", config.mlp_width},
          {"n_layer", config.layers},
          {"n_positions", config.max_length}};
}

Json opt(const DecoderConfig& config) {
  return {{"architectures", {"OPTForCausalLM"}},
          {"activation_function", "relu"},
          {"attention_dropout", 0.0},
          {"dropout", config.dropout},
          {"do_layer_norm_before", true},
          {"ffn_dim", config.mlp_width},
          {"hidden_size", config.width},
          {"max_position_embeddings", config.max_length},
          {"num_attention_heads", config.heads},
          {"num_hidden_layers", config.layers},
          {"word_embed_proj_dim", config.width}};
}

Json bloom(const DecoderConfig& config) {
  if (config.mlp_width != 4 * config.width) {
    fail("a BLOOM of mlp_width {} and width {} has no Hugging Face form; it takes 4 * width = {}",
         config.mlp_width, config.width, 4 * config.width);
  }
  return {{"architectures", {"BloomForCausalLM"}},
          {"attention_dropout", 0.0},
          {"hidden_dropout", config.dropout},
          {"hidden_size", config.width},
          {"layer_norm_epsilon", config.norm_epsilon},
          {"n_head", config.heads},
          {"n_layer", config.layers}};
}

Json llama(const DecoderConfig& config) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"attention_bias", false},
          {"head_dim", config.head_dim},
          {"hidden_act", "silu"},
          {"hidden_size", config.width},
          {"intermediate_size", config.mlp_width},
          {"max_position_embeddings", config.max_length},
          {"mlp_bias", false},
          {"num_attention_heads", config.heads},
          {"num_hidden_layers", config.layers},
          {"num_key_value_heads", config.kv_heads},
          {"rms_norm_eps", config.norm_epsilon},
          {"rope_theta", config.rope_theta}};
}

}  // namespace

std::string hf_config_text(const std::string& family, const DecoderConfig& config, int64_t pad_id,
                           int64_t end_id) {
  Json all = family == "gpt2"    ? gpt2(config)
             : family == "opt"   ? opt(config)
             : family == "bloom" ? bloom(config)
                                 : llama(config);
  all["model_type"] = family;
  all["pad_token_id"] = pad_id;
  all["bos_token_id"] = end_id;
  all["eos_token_id"] = end_id;
  all["tie_word_embeddings"] = config.tied;
  all["torch_dtype"] = "float32";
  all["vocab_size"] = config.vocabulary;
  return all.dump(2) + "\n";
}

}  // namespace lethe
