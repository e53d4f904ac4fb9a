#include "core/compared_units.h"

#include <map>

#include "core/distillation_loss.h"

namespace lethe {
namespace {

Tensor index_of(const std::vector<int64_t>& units, const at::Device& device) {
  return at::tensor(units, at::kLong).to(device);
}

Tensor some_units(const Tensor& logits, const Tensor& units) {
  return units.defined() ? logits.index_select(1, units) : logits;
}

/// (P, tasks * width) as (P * tasks, width): a softmax a task, however many tasks lie behind, takes
/// a handful of operations.
Tensor split(const Tensor& units, int64_t width) {
  return width > 0 ? units.reshape({-1, width}) : units;
}

}  // namespace

ComparedUnits ComparedUnits::whole(double factor) {
  ComparedUnits compared;
  compared.groups_ = {{Tensor(), 0, factor}};
  return compared;
}

ComparedUnits ComparedUnits::together(const std::vector<int64_t>& units, bool among_all,
                                      double factor, const at::Device& device) {
  ComparedUnits compared;
  compared.groups_ = {{index_of(units, device), 0, factor}};
  compared.among_all_ = among_all;
  return compared;
}

ComparedUnits ComparedUnits::by_task(const TaskStream& stream, int64_t tasks, double factor,
                                     const at::Device& device) {
  std::map<size_t, std::vector<int64_t>> by_count;
  for (size_t t = 0; t < static_cast<size_t>(tasks); ++t) {
    const auto& classes = stream.tasks[t].classes;
    auto& units = by_count[classes.size()];
    units.insert(units.end(), classes.begin(), classes.end());
  }
  ComparedUnits compared;
  for (const auto& [count, units] : by_count) {
    // The loss is a mean over this group's tasks.
    const auto share = static_cast<double>(units.size() / count) / static_cast<double>(tasks);
    compared.groups_.push_back(
        {index_of(units, device), static_cast<int64_t>(count), factor * share});
  }
  return compared;
}

Tensor ComparedUnits::targets(const Tensor& taught, const Softening& how) const {
  std::vector<Tensor> parts;
  for (const Group& group : groups_) {
    const Tensor units = some_units(taught, group.units);
    const Tensor soft = soft_targets(how.form, split(units, group.width), how.temperature);
    parts.push_back(soft.view(units.sizes()));
  }
  if (among_all_) return at::zeros_like(taught).index_copy_(1, groups_.front().units, parts[0]);
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

Tensor ComparedUnits::loss(const Tensor& targets, const Tensor& student,
                           const Softening& how) const {
  Tensor sum;
  int64_t begin = 0;
  for (const Group& group : groups_) {
    const Tensor units = among_all_ ? student : some_units(student, group.units);
    const Tensor held = targets.narrow(1, begin, units.size(1));
    begin += units.size(1);
    const Tensor part = soft_loss(how.form, split(held, group.width), split(units, group.width),
                                  how.temperature, group.factor);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

}  // namespace lethe
