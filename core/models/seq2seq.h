// The encoder-decoder transformer: T5, T5 v1.1, FLAN-T5, T0, mT5 and mT0 as settings of one model,
// with Hugging Face's names. Source: Raffel et al. 2020, arXiv:1910.10683.
#pragma once

#include <memory>
#include <vector>

#include "core/models/seq2seq_stack.h"
#include "core/prompt.h"

namespace lethe {

class Seq2Seq : public Model {
 public:
  /// Fresh weights as T5 draws them, or without a generator shapes that are left to be loaded.
  /// Throws Error as check().
  Seq2Seq(const Seq2SeqConfig& config, at::Generator generator);
  /// inputs (B, S) the sources, right-padded, decoder_inputs (B, T) -> logits (P, vocabulary) at
  /// the predicted positions of decoder_inputs.
  Tensor forward(const Batch& batch) override;
  bool has_blocks() const override { return true; }
  bool has_states() const override { return true; }
  Tensor predicted_states(const Batch& batch) override;
  Tensor head(const Tensor& states) const override;
  std::vector<Seam*> seams() override;
  /// `prompts` are sources with their end mark; what the decoder says to them. Throws Error for a
  /// start_id outside the vocabulary.
  std::vector<Generated> continuations(const std::vector<std::vector<int64_t>>& prompts,
                                       const GenerationOptions& options) override;
  const Seq2SeqConfig& config() const { return config_; }

  /// (B, tokens, width): what enters each block of a stack, then the stack's result.
  struct States {
    std::vector<Tensor> encoder, decoder;
  };
  States states(const Batch& batch);

 private:
  struct Memory {
    Tensor states, padding;  // (B, S, width), padding_bias; S counts virtual tokens
  };
  Dropout drop() const { return {training_ ? config_.dropout : 0, generator_}; }
  Memory encode(const Tensor& ids, const Tensor& mask, const Seq2SeqStack::Seen& seen = {}) const;
  Tensor decode(const Tensor& ids, const Memory& memory, std::vector<StackCache>& caches,
                const Seq2SeqStack::Seen& seen = {}) const;

  const Seq2SeqConfig config_;
  std::unique_ptr<Embedding> shared_;
  std::unique_ptr<Prompt> prompt_;  // before the encoder's tokens
  std::unique_ptr<Seq2SeqStack> encoder_, decoder_;
  std::unique_ptr<Linear> head_;  // undefined where tied
};

}  // namespace lethe
