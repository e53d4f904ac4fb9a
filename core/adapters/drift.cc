#include "core/adapters/drift.h"

#include <algorithm>

#include "core/random.h"

namespace lethe {

Drift drift_between(const Tensor& reference, const Tensor& other) {
  const at::NoGradGuard no_grad;
  const Tensor p = at::log_softmax(reference.to(at::kDouble), -1);
  const Tensor q = at::log_softmax(other.to(at::kDouble), -1);
  const double kl = (p.exp() * (p - q)).sum(-1).mean().item<double>();
  // Rounding can make the divergence of equal distributions a little negative.
  return {(reference - other).abs().max().item<double>(), std::max(kl, 0.0), reference.size(0)};
}

Batch compared_rows(const std::vector<std::vector<int64_t>>& rows) {
  size_t longest = 1;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  const auto count = static_cast<int64_t>(rows.size()), length = static_cast<int64_t>(longest);
  Batch batch;
  batch.inputs = at::zeros({count, length}, at::kLong);
  batch.mask = at::zeros({count, length}, at::kBool);
  std::vector<int64_t> positions;
  for (int64_t row = 0; row < count; ++row) {
    const auto& ids = rows[static_cast<size_t>(row)];
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto column = static_cast<int64_t>(i);
      batch.inputs[row][column] = ids[i];
      batch.mask[row][column] = true;
      positions.push_back(row * length + column);
      ++batch.tokens;
    }
  }
  batch.positions = at::tensor(positions);
  batch.row_of = batch.positions.div(length, "floor");
  batch.targets = at::zeros_like(batch.positions);
  return batch;
}

Batch compared_pairs(const std::vector<std::vector<int64_t>>& sources,
                     const std::vector<std::vector<int64_t>>& reads) {
  Batch batch = compared_rows(reads);
  batch.decoder_inputs = batch.inputs;
  const Batch source = compared_rows(sources);
  batch.inputs = source.inputs;
  batch.mask = source.mask;
  batch.tokens += source.tokens;
  return batch;
}

std::vector<std::vector<int64_t>> drawn_rows(int64_t rows, int64_t length, int64_t vocabulary,
                                             uint64_t seed) {
  Random random(seed);
  std::vector<std::vector<int64_t>> drawn(static_cast<size_t>(rows));
  for (auto& row : drawn) {
    for (int64_t i = 0; i < length; ++i) row.push_back(random.below(vocabulary));
  }
  return drawn;
}

}  // namespace lethe
