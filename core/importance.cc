#include "core/importance.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace lethe {

void check_importance_rows(const std::string& owner, int64_t count, const TaskStream& stream) {
  for (size_t t = 0; t + 1 < stream.tasks.size(); ++t) {
    const int64_t there = stream.tasks[t].train->size();
    if (count <= there) continue;
    fail(
        "{}: rows = {}, but task {} ('{}') of stream '{}' has {} training rows; ask for at most "
        "that, or 0 for all",
        owner, count, t + 1, stream.tasks[t].name, stream.name, there);
  }
}

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

bool rows_see_one_vector(const TaskEnd& end) {
  return one_vector_per_row(end.model, end.arena,
                            end.rows.batch({0}).to(end.arena.values().device()));
}

Batch probe_of(const Rows& rows, const at::Device& device) {
  int64_t shortest = 0, longest = 0;
  for (int64_t row = 1; row < rows.size(); ++row) {
    if (rows.length(row) < rows.length(shortest)) shortest = row;
    if (rows.length(row) >= rows.length(longest)) longest = row;
  }
  if (shortest == longest) return rows.batch({0}).to(device);
  return rows.batch({shortest, longest}).to(device);
}

bool rows_need_no_loop(const TaskEnd& end) {
  return RowGradients::covers(end.model, end.arena,
                              probe_of(end.rows, end.arena.values().device()));
}

int64_t rows_at_once(const TaskEnd& end) {
  constexpr int64_t kTokenRows = 32;  // their activations are many times a classifier's
  return end.stream.classes > 0 ? end.batch_size : std::min(end.batch_size, kTokenRows);
}

std::vector<Tensor> range_gradients(const Arena& arena, const Tensor& logits,
                                    const Tensor& cotangent) {
  std::vector<Tensor> parameters;
  for (const ArenaRange& range : arena.ranges()) parameters.push_back(range.parameter);
  return torch::autograd::grad({logits}, parameters, {cotangent}, /*retain_graph=*/true,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

}  // namespace lethe
