// Attention on a tape: fused, which keeps no scores, and plain.
#include "core/kernels/biased_attention.h"
#include "core/plan/operators.h"

namespace lethe::plan {

/// at::scaled_dot_product_attention keeps queries, keys, values, its result and a float32 sum of
/// exponentials a query and head. Its backward pass makes all three gradients at once.
Ghost Operators::fused_attention(const Heads& heads, const Ghost& bias, int64_t queries) {
  Effect effect;
  effect.bytes = heads.q.bytes;
  effect.saved = {heads.q, heads.k, heads.v};
  if (bias.storage) effect.saved.push_back(bias);
  effect.saves_result = true;
  effect.saves_more = queries * 4;
  return tape_->run({{heads.q, heads.q.bytes}, {heads.k, heads.k.bytes}, {heads.v, heads.v.bytes}},
                    effect);
}

/// core/models/causal_attention.cc, of a split product.
Ghost Operators::fused_attention(const Ghost& all, int64_t queries) {
  Effect effect;
  effect.bytes = all.bytes / 3;
  effect.saved = {all};
  effect.saves_result = true;
  effect.saves_more = queries * 4;
  return tape_->run({{all, all.bytes, /*viewed=*/true}}, effect);
}

/// Of one row heads are contiguous, so that nothing is copied.
Ghost Operators::by_head(const Ghost& x) { return shapes.rows == 1 ? x : copied(x); }

Ghost Operators::copied(const Ghost& x) {
  Effect effect;
  effect.bytes = x.bytes;
  return tape_->run({{x, 0}}, effect);
}

/// at::matmul of four dimensions: a batched product, which keeps both.
Ghost Operators::batched(const Ghost& a, const Ghost& b, int64_t bytes) {
  Effect effect;
  effect.bytes = bytes;
  if (b.graded()) effect.saved.push_back(a);
  if (a.graded()) effect.saved.push_back(b);
  return tape_->run({{a, a.bytes}, {b, b.bytes}}, effect);
}

/// core/models/transformer.cc, attend(), on the CPU: one loop a head keeps the softmax and copies
/// nothing.
Ghost Operators::biased_attention(const Heads& heads, const Ghost& bias, int64_t scores) {
  Effect effect;
  effect.bytes = heads.q.bytes;
  effect.saved = {heads.q, heads.k, heads.v};
  effect.saves_more = scores;
  std::vector<Operand> operands = {
      {heads.q, heads.q.bytes}, {heads.k, heads.k.bytes}, {heads.v, heads.v.bytes}};
  if (bias.storage) operands.push_back({bias, bias.bytes});
  return tape_->run(operands, effect);
}

/// Elsewhere: the products copy what is split by head, as heads are no
/// contiguous batch; the softmax keeps its result, which is also an operand of the second product.
Ghost Operators::plain_attention(const Heads& heads, const Ghost& bias, int64_t scores_size) {
  const int64_t bytes = bytes_of(scores_size);
  if (shapes.value == 4 && model.head_dim >= kernels::kNarrowestHead) {
    return biased_attention(heads, bias, bytes);
  }
  Ghost scores = batched(by_head(heads.q), by_head(heads.k), bytes);
  if (bias.storage) scores = add(scores, bias);
  Effect softmax;
  softmax.bytes = bytes;
  softmax.saves_result = true;
  const Ghost mixed =
      batched(tape_->run({{scores, bytes}}, softmax), by_head(heads.v), heads.q.bytes);
  return copied(mixed);
}

}  // namespace lethe::plan
