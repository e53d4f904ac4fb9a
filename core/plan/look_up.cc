// Rows of a trained or frozen table by id on a tape: core/embedding.cc, core/bf16_values.cc.
#include <algorithm>
#include <utility>

#include "core/plan/operators.h"

namespace lethe::plan {

/// core/embedding.cc, Embedding::forward: keeps the ids, `own_ids` of which are no part of the
/// batch; a trained table's gradient is made dense.
Ghost Operators::look_up(const SeamPlan& table, int64_t tokens, int64_t own_ids) {
  Effect effect;
  effect.saves_more = 8 * own_ids;
  effect.bytes = bytes_of(tokens * table.seam.in);
  effect.trains = table.weight;
  if (table.weight) effect.parameter_gradient = gradient_of(table.seam.weight_size());
  if (tape_->whole_gradient() && model.tied) {  // added to that of the head
    effect.backward_scratch = std::exchange(effect.parameter_gradient, 0);
  }
  effect.scratch_part = Part::workspace;
  const bool apart = tape_->whole_gradient(), moves = request.levers.backward_update;
  if (request.levers.narrow()) look_up_narrow(table, tokens, effect);
  // What moves at once has no gradient beside that of its seam, which the states count.
  const bool in_place = request.levers.narrow() ? !moves || !model.tied : moves && !model.tied;
  if (!apart && in_place) effect.parameter_gradient = 0;
  return tape_->run({}, effect);
}

/// core/bf16_values.cc, bf16_rows(): sums of the rows looked up.
void Operators::look_up_narrow(const SeamPlan& table, int64_t tokens, Effect& effect) const {
  const int64_t rows = std::min(tokens, table.seam.out) * table.seam.in;
  effect.scratch = 2 * tokens * table.seam.in;
  if (table.weight) effect.backward_scratch += 6 * rows;
}

Ghost Operators::look_up(const SeamPlan& table, const Ghost& gathered, int64_t tokens, bool held) {
  Effect effect;
  effect.bytes = bytes_of(tokens * table.seam.in);
  effect.scratch_part = Part::workspace;
  if (request.levers.narrow()) look_up_narrow(table, tokens, effect);
  if (gathers_apart()) {
    return tape_->run({{gathered, gradient_of(table.seam.weight_size())}}, effect);
  }
  effect.trains = table.weight;
  if (table.weight && held && request.levers.backward_update) {
    effect.backward_scratch += gradient_of(table.seam.weight_size());
  }
  return tape_->run({}, effect);
}

bool Operators::gathers_apart() const {
  const Levers& levers = request.levers;
  return levers.backward_update ? levers.chunk > 0 && model.tied : !levers.narrow();
}

}  // namespace lethe::plan
