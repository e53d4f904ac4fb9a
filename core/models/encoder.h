// The encoder-only transformer with a head for sequence classification: BERT, with Hugging Face's
// names. Source: Devlin et al. 2019, arXiv:1810.04805.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/models/transformer.h"

namespace lethe {

struct EncoderConfig {
  int64_t vocabulary = 0, classes = 2, width = 768, mlp_width = 3072, layers = 12, heads = 12;
  int64_t max_length = 512, types = 2;  ///< positions and token types
  Activation activation = Activation::gelu;
  double norm_epsilon = 1e-12;
  double dropout = 0.1, attention_dropout = 0.1, head_dropout = 0.1;
  double initial_deviation = 0.02;  ///< of fresh weights
  int64_t pad_id = 0;               ///< whose fresh embedding is zero
};

/// Throws Error naming the value for sizes below 1 and heads that do not divide the width.
void check(const EncoderConfig& config);

class Encoder : public Model {
 public:
  /// Fresh weights as BERT draws them, or without a generator shapes that are left to be loaded;
  /// pooler and classifier are drawn from `head` where that is given. Throws Error as check().
  Encoder(const EncoderConfig& config, at::Generator generator, at::Generator head = {});
  ~Encoder() override;
  /// inputs (B, L) right-padded -> logits (B, classes). Throws Error for rows longer than
  /// max_length.
  Tensor forward(const Batch& batch) override;
  bool has_blocks() const override { return true; }
  std::vector<Seam*> seams() override;
  const EncoderConfig& config() const { return config_; }

  using Seen = std::function<void(const Tensor&)>;
  /// (B, L, width); `seen` is called with the normalised embeddings and with every layer's result.
  Tensor hidden(const Batch& batch, const Seen& seen = {}) const;
  /// tanh of a Linear of the first token's state: (B, L, width) -> (B, width)
  Tensor pooled(const Tensor& hidden) const;

 private:
  struct Layer;
  Tensor embedded(const Batch& batch) const;  // (B, L, width)
  Dropout drop(double p) const { return {training_ ? p : 0, generator_}; }

  const EncoderConfig config_;
  std::unique_ptr<Embedding> words_, positions_, types_;
  std::unique_ptr<Norm> norm_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Linear> pooler_, classifier_;
};

}  // namespace lethe
