// The switches of the one decoder-only transformer, and the families that are settings of it.
#pragma once

#include <cstdint>
#include <string>

#include "core/base_formats.h"
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
  std::string project_in = "project_in", project_out = "project_out", score = "score";
};

enum class Activation { relu, gelu, gelu_tanh, silu };
enum class Positions { learned, rotary, alibi };
enum class FusedLayout {
  none,
  thirds,
  per_head
};  ///< q|k|v whole, or q, k, v of each head in turn

/// How the rates of rotary positions are slowed for contexts longer than the first training's.
struct RopeScaling {
  double factor = 1;  ///< every rate is divided by it, or with original_length > 0 as in LLaMA 3.1:
  int64_t original_length = 0;  ///< rates that turn at least `high` times in it stay as they are,
  double low = 1, high = 4;     ///< those below `low` turns are divided, between the two blended
};

struct DecoderConfig {
  DecoderNames names;
  int64_t vocabulary = 0, width = 64, layers = 2, heads = 4, kv_heads = 4, head_dim = 16;
  int64_t mlp_width = 256;
  int64_t max_length = 64;      ///< positions; 0 = no limit
  int64_t embedding_width = 0;  ///< of the tokens, projected to width; 0 = width (opt-350m: 512)
  int64_t position_offset = 0;  ///< OPT's learned positions start at row 2
  int64_t padding_row = -1;     ///< of the tokens: its look-ups have no gradient; -1 = none
  int64_t labels = 0;           ///< of a classifier on the last token, in place of the vocabulary
  Norm::Form norm = Norm::Form::layer;
  double norm_epsilon = 1e-5, rope_theta = 10000;
  RopeScaling rope_scaling;
  double embedding_dropout = 0, attention_dropout = 0;
  double dropout = 0;  ///< of what attention and MLP add to the residual stream
  Activation activation = Activation::gelu_tanh;
  Positions positions = Positions::learned;
  FusedLayout fused = FusedLayout::thirds;
  bool gated = false;  ///< down(act(gate x) * up x)
  bool qkv_biases = true, out_bias = true, mlp_biases = true;
  bool scores_by_width = true;   ///< attention scores over the root of the head width
  bool scores_by_layer = false;  ///< and over the layer's number, from 1
  bool tied = true;              ///< the head is the token embedding
  bool norm_first = true;        ///< pre-LN; false = post-LN (opt-350m)
  bool final_norm = true;        ///< before the head
  bool embedding_norm = false;   ///< BLOOM
  double deviation = 0;          ///< of fresh weights; 0 = 1 / sqrt(inputs)
  bool scaled_residuals = true;  ///< fresh output weights over sqrt(2 layers), as in GPT-2
};

struct DecoderOptions {
  std::string family = "gpt2";
  int64_t width = 64, layers = 2, heads = 4, kv_heads = 0, mlp_width = 0, max_length = 0;
  double dropout = 0;
  std::string base = "float", skip = "none";
  int64_t block = 64, pretrain_steps = 600;
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
    visit("base", base, one_of(base_formats()), "format of the blocks' frozen weights");
    visit("block", block, between(32, 4096), kBlockDoc);
    visit("skip", skip, any(), kSkipDoc);
    visit("pretrain_steps", pretrain_steps, at_least(0),
          "updates on the built-in mixture before the trial (cached); 0 = random weights");
  }
};

/// Checks that fit and fills in what the family decides. Throws Error naming option and value.
DecoderConfig decoder_config(const DecoderOptions& options, const ModelShape& shape);

/// The switches and the names of "gpt2", "opt", "bloom" or "llama".
DecoderConfig family_config(const std::string& family);

/// Angle per position of every pair of a head's values, (head_dim / 2): theta^(-2i / head_dim),
/// scaled (Su et al. 2021, arXiv:2104.09864; Grattafiori et al. 2024, arXiv:2407.21783).
std::vector<float> rope_rates(const DecoderConfig& config);

/// ALiBi's slope of every head (Press et al. 2022, arXiv:2108.12409), any number of heads.
std::vector<float> alibi_slopes(int64_t heads);

}  // namespace lethe
