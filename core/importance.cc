#include "core/importance.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace lethe {

std::vector<int64_t> importance_rows(const TaskEnd& end, int64_t count) {
  if (count > end.rows.size()) {
    fail(
        "{} rows are asked of the importances, but task {} has {}; ask for at most that, or 0 for "
        "all",
        count, end.task, end.rows.size());
  }
  std::vector<int64_t> rows(static_cast<size_t>(end.rows.size()));
  std::iota(rows.begin(), rows.end(), 0);
  if (count == 0) return rows;
  Random random(end.generator.current_seed());
  random.shuffle(rows);
  rows.resize(static_cast<size_t>(count));
  std::sort(rows.begin(), rows.end());
  return rows;
}

void each_batch(const TaskEnd& end, const std::vector<int64_t>& rows, int64_t size,
                const std::function<void(const Batch&)>& look) {
  const auto device = end.arena.values().device();
  for (size_t from = 0; from < rows.size(); from += static_cast<size_t>(size)) {
    const size_t to = std::min(rows.size(), from + static_cast<size_t>(size));
    look(end.rows
             .batch({rows.begin() + static_cast<int64_t>(from),
                     rows.begin() + static_cast<int64_t>(to)})
             .to(device));
  }
}

bool rows_need_no_loop(const TaskEnd& end) {
  return one_vector_per_row(end.model, end.arena,
                            end.rows.batch({0}).to(end.arena.values().device()));
}

void add_outer(const Arena& arena, Linear& seam, const Tensor& left, const Tensor& right,
               const Tensor& total) {
  seam.parameters([&](const std::string&, Tensor& value) {
    const ArenaRange* range = arena.range_of(value);
    if (range == nullptr) return;
    const Tensor target = arena.slice(total, *range);
    if (value.dim() == 2) {
      target.addmm_(left.t(), right);
    } else {
      target.add_(left.sum(0));
    }
  });
}

std::vector<Tensor> range_gradients(const Arena& arena, const Tensor& logits,
                                    const Tensor& cotangent) {
  std::vector<Tensor> parameters;
  for (const ArenaRange& range : arena.ranges()) parameters.push_back(range.parameter);
  return torch::autograd::grad({logits}, parameters, {cotangent}, /*retain_graph=*/true,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

}  // namespace lethe
