// The decoder-only transformer: GPT-2, OPT, BLOOM and LLaMA as settings of one model.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/models/attention.h"
#include "core/prompt.h"

namespace lethe {

class Decoder : public Model {
 public:
  /// Weights are drawn from `generator`, or without one left to be loaded; a classification head is
  /// drawn from `class_head` where that is given.
  Decoder(DecoderConfig config, at::Generator generator, at::Generator class_head = {});
  /// inputs (B, L) right-padded -> logits (P, vocabulary) at the batch's predicted positions only,
  /// or with a classification head (B, labels) from every row's last token.
  Tensor forward(const Batch& batch) override;
  /// Logits (B, L, vocabulary) at every position of ids (B, L), for rows padded on any side.
  /// mask (B, L) bool, true at tokens, or undefined; positions (B or 1, L), or undefined: counted
  /// along the mask. `states` receives the embedded tokens, then each block's output, the last one
  /// after the final norm.
  Tensor all_logits(const Tensor& ids, const Tensor& mask, const Tensor& positions = {},
                    std::vector<Tensor>* states = nullptr);
  bool takes_packed() const override { return true; }
  bool has_blocks() const override { return true; }
  bool has_states() const override { return config_.labels == 0; }
  Tensor predicted_states(const Batch& batch) override;
  Tensor head(const Tensor& hidden) const override;
  std::vector<Seam*> seams() override;
  /// max_length, a sliding window counting as one, less the virtual tokens where positions are
  /// learned: rotary and ALiBi's do not count them, as in training.
  std::optional<int64_t> longest_prompt() const override;
  /// A row ends where its next token would have to be read past max_length.
  std::vector<Generated> continuations(const std::vector<std::vector<int64_t>>& prompts,
                                       const GenerationOptions& options) override;
  const DecoderConfig& config() const { return config_; }

 private:
  struct Block;
  /// (B, T, width) after the final norm. position_ids (B or 1, T); mask (B, Tk) true at tokens, or
  /// undefined; caches empty, or one a block. Where nothing is cached yet, T counts the virtual
  /// tokens, which `ids` does not hold.
  /// `segments` (B, T) of packed rows, else undefined.
  Tensor hidden(const Tensor& ids, const Tensor& position_ids, const Tensor& mask,
                std::vector<KeyValueCache>& caches, const Tensor& segments = {},
                std::vector<Tensor>* states = nullptr);
  Tensor through_blocks(Tensor x, const AttentionInputs& inputs, std::vector<KeyValueCache>& caches,
                        std::vector<Tensor>* states) const;
  Tensor embedded(const Tensor& ids, const Tensor& position_ids, bool first) const;
  Tensor dropped(const Tensor& x, double p) const;
  AttentionInputs attention_inputs(const Tensor& position_ids, const Tensor& mask,
                                   const Tensor& segments, int64_t past) const;

  const DecoderConfig config_;
  std::unique_ptr<Embedding> tokens_, positions_;
  std::unique_ptr<Prompt> prompt_;
  std::unique_ptr<Norm> embedding_norm_, final_norm_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Linear> project_in_, project_out_, head_;
  std::vector<float> slopes_, rates_;

 public:
  ~Decoder() override;
};

}  // namespace lethe
