// The switches of the one encoder-decoder transformer: T5, T5 v1.1, FLAN-T5, T0, mT5 and mT0.
#pragma once

#include "core/models/decoder_config.h"

namespace lethe {

struct Seq2SeqConfig {
  int64_t vocabulary = 0, width = 512, mlp_width = 2048;
  int64_t heads = 8, head_dim = 64;  ///< heads * head_dim may differ from the width
  int64_t layers = 6, decoder_layers = 6;
  int64_t buckets = 32, max_distance = 128;  ///< of relative positions
  Activation activation = Activation::relu;
  bool gated = false;  ///< wo(act(wi_0 x) * wi_1 x), v1.1; else wo(act(wi x))
  bool tied = true;  ///< the head is the embedding and reads states over sqrt(width); else lm_head
  double norm_epsilon = 1e-6, dropout = 0.1;
  double initial_factor = 1;  ///< of fresh weights
  int64_t start_id = 0;       ///< what the decoder reads first: the padding mark
};

/// Throws Error naming the value for sizes below 1, for fewer than 4 buckets, and for distances
/// that the exact buckets alone reach.
void check(const Seq2SeqConfig& config);

}  // namespace lethe
