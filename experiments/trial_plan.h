// What `lethe plan` would be asked for a trial of a sweep.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/plan/request.h"
#include "core/task.h"
#include "experiments/sweep.h"

namespace lethe {

/// The largest batch that some rows of text can make.
struct LargestBatch {
  int64_t rows = 1;           ///< all rows where they are fewer than a batch
  int64_t length = 1;         ///< tokens that the model reads of the longest row (of its source)
  int64_t target_length = 0;  ///< of an encoder-decoder's longest target; 0 = none
  int64_t predicted = 0;      ///< positions a row, the mean of those with the most; of classes 0
  bool padded = false;        ///< whether rows differ in length
};

/// Of the training rows of each task, with `batch` rows a forward pass; `mixed`: of all tasks' rows
/// as one. Reads every row once.
std::vector<LargestBatch> largest_batches(const TaskStream& stream, int64_t batch, bool mixed);

/// Whether a batch of the trial may hold rows of several tasks.
bool mixes_tasks(const Trial& trial);

/// The request of a trial on the CPU but for its batches. nullopt where a plan would not know what
/// is trained or would count too much: other models than those of a folder, methods without a plan,
/// options that choose fewer parameters than the plan's (freeze by name, targets of ia3, bitfit and
/// norm-tuning, osf's share), a memory of no rows, packed rows and the base bf16. Throws Error for
/// a folder that can't be read.
std::optional<plan::PlanRequest> plan_request(const Trial& trial);

/// Sets what the stream says of a method with a memory: the number of tasks, and no more kept rows
/// than there are.
void take_stream(const TaskStream& stream, plan::PlanRequest& request);

/// With rows, lengths and predicted positions of its largest batch.
plan::PlanRequest with_batch(plan::PlanRequest request, const LargestBatch& batch);

}  // namespace lethe
