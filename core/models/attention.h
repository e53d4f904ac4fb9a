// Causal self-attention with its Linear seams, and the cache of keys and values for generation.
#pragma once

#include <memory>
#include <vector>

#include "core/models/decoder_config.h"

namespace lethe {

/// Keys and values of one block so far: the first `length` of (B, kv heads, capacity, head width).
class KeyValueCache {
 public:
  /// `room` tokens are the most that it will hold.
  explicit KeyValueCache(int64_t room) : room_(room) {}
  /// Takes in those of new tokens (B, kv heads, T, head width); k and v become those of all.
  void extend(Tensor& k, Tensor& v);
  int64_t length() const { return length_; }

 private:
  int64_t room_, length_ = 0;
  Tensor keys_, values_;
};

/// What every block of one forward pass shares.
struct AttentionInputs {
  Tensor bias;  ///< (B or 1, heads or 1, Tq, Tk) added to the scores; undefined = plainly causal
  Tensor cos, sin;          ///< (B or 1, 1, Tq, head width) of rotary positions; undefined without
  double dropout = 0;       ///< of the attention weights; asks for a bias
  at::Generator generator;  ///< from which it draws
};

class Attention {
 public:
  /// `layer` is the layer's name, `number` its place, from 0.
  Attention(const DecoderConfig& config, const std::string& layer, int64_t number,
            at::Generator generator);
  /// x (B, T, width) -> (B, T, width). With a cache, x holds the new tokens only and is added to
  /// it.
  Tensor forward(const Tensor& x, const AttentionInputs& inputs, KeyValueCache* cache) const;
  void add_seams(std::vector<Seam*>& seams) const;

 private:
  /// The product of q, k and v (B, T, 3 * inner) as (3, B, heads, T, d).
  Tensor split_heads(const Tensor& all) const;
  void project(const Tensor& x, Tensor& q, Tensor& k, Tensor& v) const;
  Tensor mixed(const Tensor& q, const Tensor& k, const Tensor& v,
               const AttentionInputs& inputs) const;

  const DecoderConfig& config_;
  double scale_;
  std::unique_ptr<Linear> qkv_, q_, k_, v_, out_;
};

}  // namespace lethe
