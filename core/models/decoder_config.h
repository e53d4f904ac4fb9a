// The switches of the one decoder-only transformer, and the families that are settings of it.
#pragma once

#include <cstdint>
#include <string>

#include "core/embedding.h"
#include "core/models/models.h"

namespace lethe {

/// Where each weight of a family stands in its checkpoints. `{}` is the layer's number.
struct DecoderNames {
  std::string tokens, positions, embedding_norm, layer;
  std::string qkv, q, k, v, attention_out;
  std::string attention_norm, mlp_norm;
  std::string gate, up, down;
  std::string final_norm, head;
};

enum class Activation { relu, gelu, gelu_tanh, silu };
enum class Positions { learned, rotary, alibi };
enum class FusedLayout {
  none,
  thirds,
  per_head
};  ///< q|k|v whole, or q, k, v of each head in turn

struct DecoderConfig {
  DecoderNames names;
  int64_t vocabulary = 0, width = 64, layers = 2, heads = 4, kv_heads = 4, head_dim = 16;
  int64_t mlp_width = 256, max_length = 64;
  int64_t position_offset = 0;  ///< OPT's learned positions start at row 2
  Norm::Form norm = Norm::Form::layer;
  double norm_epsilon = 1e-5, rope_theta = 10000, dropout = 0;
  Activation activation = Activation::gelu_tanh;
  Positions positions = Positions::learned;
  FusedLayout fused = FusedLayout::thirds;
  bool gated = false;           ///< down(act(gate x) * up x)
  bool biases = true;           ///< of attention and MLP
  bool tied = true;             ///< the head is the token embedding
  bool norm_first = true;       ///< pre-LN; false = post-LN without a final norm (opt-350m)
  bool embedding_norm = false;  ///< BLOOM
};

struct DecoderOptions {
  std::string family = "gpt2";
  int64_t width = 64, layers = 2, heads = 4, kv_heads = 0, mlp_width = 0, max_length = 0;
  double dropout = 0;
  std::string base = "float";
  int64_t pretrain_steps = 600;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("family", family, one_of({"gpt2", "opt", "bloom", "llama"}), "whose switches and names");
    visit("width", width, at_least(2), "of the residual stream");
    visit("layers", layers, at_least(1), "transformer blocks");
    visit("heads", heads, at_least(1), "attention heads; width is a multiple of it");
    visit("kv_heads", kv_heads, at_least(0), "key and value heads of llama; 0 = heads");
    visit("mlp_width", mlp_width, at_least(0), "0 = 4 * width");
    visit("max_length", max_length, at_least(0),
          "positions; 0 = as long as the stream's longest row");
    visit("dropout", dropout, below_from(0.0, 1.0), "after attention and MLP");
    visit("base", base, one_of({"float", "nf4"}), "format of the blocks' frozen weights");
    visit("pretrain_steps", pretrain_steps, at_least(0),
          "updates on the built-in mixture before the trial (cached); 0 = random weights");
  }
};

/// Checks that fit and fills in what the family decides. Throws Error naming option and value.
DecoderConfig decoder_config(const DecoderOptions& options, const ModelShape& shape);

/// ALiBi's slope of every head (Press et al. 2022, arXiv:2108.12409), any number of heads.
std::vector<float> alibi_slopes(int64_t heads);

}  // namespace lethe
