// Causal self-attention with its Linear seams, and the cache of keys and values for generation.
#pragma once

#include <memory>
#include <vector>

#include "core/models/decoder_config.h"

namespace lethe {

/// Keys and values of one block so far: (B, kv heads, T, head width).
struct KeyValueCache {
  Tensor keys, values;
};

/// What every block of one forward pass shares.
struct AttentionInputs {
  Tensor bias;  ///< (B or 1, heads or 1, Tq, Tk) added to the scores; undefined = plainly causal
  Tensor cos, sin;  ///< (B or 1, 1, Tq, head width) of rotary positions; undefined without
};

class Attention {
 public:
  Attention(const DecoderConfig& config, const std::string& layer, at::Generator generator);
  /// x (B, T, width) -> (B, T, width). With a cache, x holds the new tokens only and is added to
  /// it.
  Tensor forward(const Tensor& x, const AttentionInputs& inputs, KeyValueCache* cache) const;
  void add_seams(std::vector<Seam*>& seams);

 private:
  void project(const Tensor& x, Tensor& q, Tensor& k, Tensor& v) const;

  const DecoderConfig& config_;
  std::unique_ptr<Linear> qkv_, q_, k_, v_, out_;
};

}  // namespace lethe
