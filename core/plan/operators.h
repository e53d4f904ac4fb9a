// The operators of Lethe's models as a tape sees them: what each makes, keeps for the backward
// pass, and needs in passing. docs/memory.md lists them with the lines of core/ that they mirror.
// Free of libtorch.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/plan/method.h"
#include "core/plan/tape.h"

namespace lethe::plan {

/// What a forward pass is made for.
struct Shapes {
  int64_t rows = 1;       ///< of this pass
  int64_t length = 1;     ///< tokens of a row (of the source)
  int64_t target = 1;     ///< of an encoder-decoder's target
  int64_t predicted = 1;  ///< positions whose loss counts, over all rows
  int64_t value = 4;      ///< bytes of an activation
  int64_t prompt = 0;     ///< virtual tokens before a row (of the source)

  int64_t sequence() const { return prompt + length; }
};

/// Queries, keys and values by head.
struct Heads {
  Ghost q, k, v;
};

class Operators {
 public:
  Operators(Tape& tape, const ModelFacts& model, const MethodPlan& method,
            const PlanRequest& request, const Shapes& shapes)
      : model(model), method(method), request(request), shapes(shapes), tape_(&tape) {}

  const ModelFacts& model;
  const MethodPlan& method;
  const PlanRequest& request;
  const Shapes shapes;

  Tape& tape() { return *tape_; }
  int64_t bytes_of(int64_t values) const { return values * shapes.value; }
  /// Of a stored weight's gradient.
  int64_t gradient_of(int64_t values) const {
    return request.levers.narrow() ? 2 * values : bytes_of(values);
  }
  /// Of float32 copies that are kept of small parameters.
  int64_t widened(int64_t values) const { return request.levers.narrow() ? 4 * values : 0; }
  /// The model's seams in order, one a call; null where the model has none there.
  const SeamPlan* next();
  const SeamPlan* next_if(bool there) { return there ? next() : nullptr; }

  Ghost add(const Ghost& a, const Ghost& b);  ///< b may be smaller and count for every row
  Ghost multiply(const Ghost& a, const Ghost& b);
  Ghost scaled(const Ghost& x);  ///< by a number
  Ghost view(const Ghost& x, int64_t bytes, int64_t gradient);
  Ghost look_up(const SeamPlan& table, int64_t tokens, int64_t own_ids = 0);
  /// A table that is used several times: `gathered` is a leaf, in which its gradient lies until the
  /// last use is done; `held` where a use further on has a gradient before this one.
  Ghost look_up(const SeamPlan& table, const Ghost& gathered, int64_t tokens, bool held);
  /// Whether the look-ups of one table gather their gradients in a tensor beside that of the
  /// states: not where they are added in place, nor where values move at once and nothing came
  /// before.
  bool gathers_apart() const;
  Ghost behind_prompt(const Ghost& embedded);  ///< itself where there is none
  Ghost norm(const SeamPlan& seam, const Ghost& x);
  Ghost linear(const SeamPlan& seam, const Ghost& x);
  Ghost activated(const Ghost& x);
  Ghost gated(const Ghost& a, const Ghost& b);  ///< f(a) b
  /// States (N, width) at the predicted positions.
  Ghost chosen(const Ghost& x, int64_t width);
  /// Logits of chosen states; the states themselves where the loss is made in chunks.
  Ghost logits(const SeamPlan& head, const Ghost& states);

  /// scaled_dot_product_attention: keeps no scores. `queries` over all rows and heads.
  Ghost fused_attention(const Heads& heads, const Ghost& bias, int64_t queries);
  /// The same of the product of all three, whose gradient is one tensor.
  Ghost fused_attention(const Ghost& all, int64_t queries);
  /// softmax(q k^T + bias) v with all scores.
  Ghost plain_attention(const Heads& heads, const Ghost& bias, int64_t scores);

  /// `block(i, inputs)` for i = 0 ... count - 1, each fed by the one before as inputs[0]; under
  /// checkpointing in segments. inputs[1...] are the same for all.
  Ghost blocks(std::vector<Ghost> inputs, int64_t count,
               const std::function<Ghost(int64_t, std::vector<Ghost>&)>& block);
  /// Keeps what a checkpoint runs again.
  void keep(std::shared_ptr<void> pass) { pass_ = std::move(pass); }

 private:
  void look_up_narrow(const SeamPlan& table, int64_t tokens, Effect& effect) const;
  Ghost layer_norm(const SeamPlan& seam, const Ghost& x, int64_t rows);
  Ghost rms_norm(const SeamPlan& seam, const Ghost& x, int64_t rows);
  Ghost base_product(const SeamPlan& seam, const Ghost& x, int64_t rows);
  void multiply_in_tiles(const SeamPlan& seam, int64_t rows, Effect& effect) const;
  Ghost trained_product(const Ghost& x, int64_t rows, int64_t in, int64_t out);
  Ghost adapted(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows);
  Ghost low_rank(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows);
  Ghost dora(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows);
  Ghost osf(const SeamPlan& seam, const Ghost& x, const Ghost& so_far, int64_t rows);
  Ghost frozen_product(const Ghost& x, int64_t bytes);
  Ghost scaled_by_parameter(const Ghost& x, int64_t width);
  Ghost biased_attention(const Heads& heads, const Ghost& bias, int64_t scores);
  Ghost batched(const Ghost& a, const Ghost& b, int64_t bytes);
  Ghost copied(const Ghost& x);
  Ghost by_head(const Ghost& x);

  Tape* tape_;
  size_t next_ = 0;
  std::shared_ptr<void> pass_;
};

/// The forward passes, to the logits.
Ghost decoder_pass(Operators& ops);
Ghost seq2seq_pass(Operators& ops);
Ghost encoder_pass(Operators& ops);

}  // namespace lethe::plan
