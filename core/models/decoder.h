// The decoder-only transformer: GPT-2, OPT, BLOOM and LLaMA as settings of one model.
#pragma once

#include <memory>
#include <vector>

#include "core/models/attention.h"
#include "core/prompt.h"

namespace lethe {

class Decoder : public Model {
 public:
  Decoder(DecoderConfig config, at::Generator generator);
  /// inputs (B, L) right-padded -> logits (P, vocabulary) at the batch's predicted positions only.
  Tensor forward(const Batch& batch) override;
  bool takes_packed() const override { return true; }
  std::vector<Seam*> seams() override;
  std::vector<std::vector<int64_t>> generate(const std::vector<std::vector<int64_t>>& prompts,
                                             int64_t longest, int64_t end_id) override;
  const DecoderConfig& config() const { return config_; }

 private:
  struct Block;
  /// (B, T, width) after the final norm. position_ids (B or 1, T); mask (B, Tk) true at tokens, or
  /// undefined; caches empty, or one a block. Where nothing is cached yet, T counts the virtual
  /// tokens, which `ids` does not hold.
  /// `segments` (B, T) of packed rows, else undefined.
  Tensor hidden(const Tensor& ids, const Tensor& position_ids, const Tensor& mask,
                std::vector<KeyValueCache>& caches, const Tensor& segments = {});
  AttentionInputs attention_inputs(const Tensor& position_ids, const Tensor& mask,
                                   const Tensor& segments, int64_t past) const;
  Tensor head(const Tensor& hidden) const;

  const DecoderConfig config_;
  std::unique_ptr<Embedding> tokens_, positions_;
  std::unique_ptr<Prompt> prompt_;
  std::unique_ptr<Norm> embedding_norm_, final_norm_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Linear> head_;
  std::vector<float> slopes_;

 public:
  ~Decoder() override;
};

}  // namespace lethe
