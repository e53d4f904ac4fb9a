// One of the two stacks of the encoder-decoder: blocks of attention and MLP that share one table of
// relative positions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/models/relative_buckets.h"
#include "core/models/seq2seq_attention.h"

namespace lethe {

/// What a stack of one forward pass reads besides its own tokens.
struct StackInputs {
  Tensor padding;         ///< padding_bias of its own tokens (encoder)
  Tensor memory;          ///< (B, S, width) the encoder's states (decoder)
  Tensor memory_padding;  ///< padding_bias of those
  Dropout drop;
};

/// Keys and values of one decoder block so far: its own and the encoder's.
struct StackCache {
  explicit StackCache(int64_t room) : own(room) {}
  KeyValueCache own;
  KeysAndValues memory;
};

class Seq2SeqStack {
 public:
  enum class Side { encoder, decoder };
  Seq2SeqStack(const Seq2SeqConfig& config, Side side, at::Generator generator);
  ~Seq2SeqStack();

  using Seen = std::function<void(const Tensor&)>;
  /// embedded (B, T, width) -> states (B, T, width) after the final norm. `caches` holds one a
  /// block or none; with caches, T counts the new tokens only. `seen` is called with what enters
  /// each block, and with the result.
  /// `model` says whether its blocks are checkpointed.
  Tensor forward(const Model& model, const Tensor& embedded, const StackInputs& inputs,
                 std::vector<StackCache>& caches, const Seen& seen = {}) const;
  void add_seams(std::vector<Seam*>& seams);
  size_t blocks() const { return blocks_.size(); }

 private:
  struct Block;
  /// (1, heads, T, past + T), the lowest float32 at a decoder's later tokens.
  Tensor position_bias(int64_t past, int64_t queries) const;

  Side side_;
  RelativeBuckets buckets_;
  std::unique_ptr<Embedding> relative_;  // (buckets, heads)
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Norm> final_norm_;
};

}  // namespace lethe
