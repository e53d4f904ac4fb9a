// What a memory plan needs to know of a model: its seams with their shapes, and how its blocks
// compute. Free of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::plan {

enum class SeamRole : uint8_t { linear, head, embedding, norm };

/// A place where a model has parameters: weight (out, in), a table of `out` rows, or a norm of `in`
/// values.
struct SeamFacts {
  std::string name;
  SeamRole role = SeamRole::linear;
  int64_t in = 0, out = 1;
  bool bias = false;
  bool kept_dense = false;  ///< not quantised in a folder that stores its weights so

  int64_t weight_size() const { return in * out; }
  int64_t bias_size() const { return !bias ? 0 : role == SeamRole::norm ? in : out; }
};

enum class Form : uint8_t { decoder, seq2seq, encoder };

struct ModelFacts {
  std::string model_type;   ///< "gpt2"
  std::string stored_base;  ///< format in which the folder has its blocks' weights; "" = float
  Form form = Form::decoder;
  int64_t layers = 0, decoder_layers = 0;  ///< decoder_layers of an encoder-decoder only
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::string activation;  ///< "relu", "gelu", "gelu_tanh", "silu"
  bool gated = false, rms = false;
  bool tied = false;  ///< no head of its own
  /// Of decoders: one product makes queries, keys and values; norms stand before their layers.
  bool fused = false, norm_first = true, final_norm = true, embedding_norm = false;
  bool learned_positions = false, rotary = false, alibi = false;
  bool classifies = false;                        ///< one position a row
  bool projected = false, projected_out = false;  ///< token width to width, and back
  int64_t longest = 0;                            ///< tokens that a row may have; 0 = no limit
  std::vector<SeamFacts> seams;  ///< in the model's order, without the empty prompt

  int64_t parameters() const;
  /// Values that it gives a position: the vocabulary, or the classes.
  int64_t classes() const { return tied ? seams.front().out : seams.back().out; }
};

}  // namespace lethe::plan
