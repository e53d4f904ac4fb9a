// Attention of the encoder-decoder: four Linear seams without biases, unscaled products.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/models/attention.h"
#include "core/models/seq2seq_config.h"
#include "core/models/transformer.h"

namespace lethe {

/// Of the encoder's states in one decoder block: (B, heads, S, head width).
struct KeysAndValues {
  Tensor keys, values;
};

class Seq2SeqAttention {
 public:
  /// `name` as in "decoder.block.0.layer.1.EncDecAttention".
  Seq2SeqAttention(const Seq2SeqConfig& config, const std::string& name, at::Generator generator);

  /// Of x (B, Tq, width) over itself -> (B, Tq, width). With a cache, x holds the new tokens only
  /// and its keys and values are added to it.
  Tensor over_itself(const Tensor& x, const Tensor& bias, const Dropout& drop,
                     KeyValueCache* cache) const;
  /// Of x over the encoder's states (B, S, width) -> (B, Tq, width). With a cache, their keys and
  /// values are made at the first call only.
  Tensor over(const Tensor& memory, const Tensor& x, const Tensor& bias, const Dropout& drop,
              KeysAndValues* cache) const;
  void add_seams(std::vector<Seam*>& seams) const;

 private:
  KeysAndValues keys_and_values(const Tensor& x) const;
  Tensor mixed(const Tensor& queries, const KeysAndValues& read, const Tensor& bias,
               const Dropout& drop) const;

  int64_t heads_;
  std::unique_ptr<Linear> q_, k_, v_, o_;
};

}  // namespace lethe
