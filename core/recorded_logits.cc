#include "core/recorded_logits.h"

#include "core/error.h"

namespace lethe {
std::vector<int64_t> positions_by_row(const Batch& batch) {
  std::vector<int64_t> counts(static_cast<size_t>(batch.rows()), batch.row_of.defined() ? 0 : 1);
  if (!batch.row_of.defined()) return counts;
  const Tensor rows = batch.row_of.cpu();
  for (int64_t p = 0; p < rows.numel(); ++p) {
    ++counts[static_cast<size_t>(rows.const_data_ptr<int64_t>()[p])];
  }
  return counts;
}

void RecordedLogits::record(const TrainingPlan& plan, int64_t batch_size, const at::Device& device,
                            const Teacher& teacher) {
  const MemoryTag tag(Category::method_state);
  parts_.clear();
  logits_ = Tensor();
  std::vector<Tensor> recorded;
  int64_t end = 0;
  for (const TrainingPlan::Part& part : plan.parts) {
    Part kept{part.rows->first_id(), {end}};
    for (const auto& indices : in_batches(part.rows->size(), batch_size)) {
      const Batch batch = part.rows->batch(indices).to(device);
      recorded.push_back(teacher(batch).detach());
      for (const int64_t count : positions_by_row(batch)) kept.begin.push_back(end += count);
    }
    parts_.push_back(std::move(kept));
  }
  if (!recorded.empty()) logits_ = at::cat(recorded);
}

const RecordedLogits::Part& RecordedLogits::part_of(int64_t id) const {
  for (const Part& part : parts_) {
    const int64_t index = id - part.first_id;
    if (index >= 0 && index + 1 < static_cast<int64_t>(part.begin.size())) return part;
  }
  fail("the teacher's logits of row {} were not recorded; use distill.logits = forward", id);
}

Tensor RecordedLogits::of(const Batch& batch) const {
  const Tensor ids = batch.row_ids.cpu();
  std::vector<int64_t> at;
  at.reserve(static_cast<size_t>(ids.numel()));
  for (int64_t row = 0; row < ids.numel(); ++row) {
    const int64_t id = ids.const_data_ptr<int64_t>()[row];
    const Part& part = part_of(id);
    const auto index = static_cast<size_t>(id - part.first_id);
    for (int64_t p = part.begin[index]; p < part.begin[index + 1]; ++p) at.push_back(p);
  }
  return logits_.index_select(0, at::tensor(at, at::kLong).to(logits_.device()));
}

}  // namespace lethe
