// The shapes of published models as config.json has them, for memory plans.
#pragma once

#include <fmt/format.h>

#include <string>

#include "core/models/model_facts.h"
#include "core/plan/request.h"

namespace lethe {

inline plan::ModelFacts facts_of_config(const std::string& text) {
  return model_facts(HfConfig::parse(text, "config.json"));
}

/// Rows of one length, `each` positions of a row predicted.
inline plan::PlanRequest even_request(const std::string& method, int64_t rows, int64_t length,
                                      int64_t each) {
  plan::PlanRequest request;
  request.method = method;
  request.batch = rows;
  request.length = length;
  request.predicted = each;
  request.padded = false;
  return request;
}

inline std::string bloom_config(int width, int layers, int heads) {
  return fmt::format(
      R"({{"model_type": "bloom", "vocab_size": 250880, "n_embed": {}, "n_layer": {},
          "num_attention_heads": {}}})",
      width, layers, heads);
}

/// T5 v1.1: gated, with a head of its own. T0_3B: t5, 32128, 2048, 5120, 24, 32.
inline std::string t5_config(const std::string& type, int vocabulary, int width, int mlp,
                             int layers, int heads) {
  return fmt::format(
      R"({{"model_type": "{}", "vocab_size": {}, "d_model": {}, "d_kv": 64, "d_ff": {},
          "num_layers": {}, "num_heads": {}, "feed_forward_proj": "gated-gelu",
          "tie_word_embeddings": false}})",
      type, vocabulary, width, mlp, layers, heads);
}

inline std::string llama_config(int width, int mlp, int layers, int heads) {
  return fmt::format(
      R"({{"model_type": "llama", "vocab_size": 32000, "hidden_size": {}, "intermediate_size": {},
          "num_hidden_layers": {}, "num_attention_heads": {}, "max_position_embeddings": 4096}})",
      width, mlp, layers, heads);
}

/// GPT-2 with 8 positions and blocks of width 16, two heads and an MLP of 64.
inline std::string small_gpt2_config(int layers, int vocabulary = 32) {
  return fmt::format(
      R"({{"model_type": "gpt2", "vocab_size": {}, "n_positions": 8, "n_embd": 16, "n_layer": {},
          "n_head": 2}})",
      vocabulary, layers);
}

}  // namespace lethe
