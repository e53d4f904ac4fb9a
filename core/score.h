// Rows measured by a model as it stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/model.h"
#include "core/task.h"

namespace lethe {

/// A score as two numbers: sum / total, and for metrics that count sum = correct.
struct Tally {
  int64_t correct = 0;
  int64_t total = 0;  ///< rows, or predicted tokens for loss and token_accuracy
  double sum = 0;
};

struct Scoring {
  int64_t batch_size = 256;
  std::vector<std::string> stop = {};  ///< texts at which a generated answer is cut
};

/// One tally for each metric. Metrics of logits share one forward pass. Rows go from long to short,
/// so that batches hold little padding and the largest comes first. Runs without gradients and in
/// the mode the model is in. Throws Error for a metric that the rows can't have.
std::vector<Tally> score_rows(Model& model, const Rows& rows,
                              const std::vector<MetricInfo>& metrics, const Scoring& scoring);

/// Rows from long to short; equal lengths keep their order.
std::vector<int64_t> by_length(const Rows& rows);

}  // namespace lethe
