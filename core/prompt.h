// The prompt seam: virtual tokens in front of a text model's embedded tokens. Empty until a method
// sets some.
#pragma once

#include <cstdint>
#include <string>

#include "core/embedding.h"
#include "core/model.h"

namespace lethe {

class Prompt : public Seam {
 public:
  /// `room` is the number of positions that the model has for virtual and real tokens together; 0 =
  /// no limit. `tokens` outlives this.
  Prompt(const Embedding& tokens, int64_t room)
      : Seam("prompt_embeddings", SeamKind::embedding), tokens_(tokens), room_(room) {}

  /// Embeddings (k, width) that every sequence begins with from now on.
  void set(Tensor rows) { rows_ = std::move(rows); }
  int64_t size() const { return rows_.defined() ? rows_.size(0) : 0; }  ///< k
  /// (B, T, width) -> (B, k + T, width)
  Tensor before(const Tensor& embedded) const;

  const Embedding& tokens() const { return tokens_; }
  int64_t room() const { return room_; }
  void parameters(const ParameterVisitor& visit) override;
  /// Nothing: the virtual tokens are a method's, not the base's.
  void set_trainable(bool trainable) override;

 private:
  const Embedding& tokens_;
  int64_t room_;
  Tensor rows_;  // (k, width) or undefined
};

/// The model's prompt seam. Throws Error for a model without one.
Prompt& prompt_of(Model& model);

}  // namespace lethe
