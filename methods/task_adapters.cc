#include "methods/task_adapters.h"

#include <utility>

#include "core/bf16_values.h"
#include "core/error.h"

namespace lethe {
namespace {

Tensor stacked(const Tensor& earlier, const Tensor& present, int64_t dim) {
  const MemoryTag tag(Category::adapters);
  const at::NoGradGuard no_grad;
  return earlier.defined() ? at::cat({earlier, present}, dim) : present.detach().clone();
}

}  // namespace

TaskAdapter::TaskAdapter(const LowRankOptions& options, Linear& seam, Model& model,
                         at::Generator generator)
    : LowRankAdapter(options, seam, model, std::move(generator)), seam_(seam.name()) {}

void TaskAdapter::begin_task(int64_t task, at::Generator generator) {
  earlier_a_ = stacked(earlier_a_, a_, 0);
  earlier_b_ = stacked(earlier_b_, b_, 1);
  task_ = task;
  draw(std::move(generator));
}

Tensor TaskAdapter::output(const Tensor& x, const Tensor& so_far) const {
  if (!earlier_a_.defined()) return LowRankAdapter::output(x, so_far);
  const Tensor kept = dropped(x);
  const Tensor present = product(kept);
  return so_far +
         (at::linear(at::linear(kept, widened(earlier_a_)), widened(earlier_b_)) + present) *
             scale();
}

void TaskAdapter::parameters(const ParameterVisitor& visit) {
  if (earlier_a_.defined()) {
    visit("lora_A.earlier.weight", earlier_a_);
    visit("lora_B.earlier.weight", earlier_b_);
  }
  visit(fmt::format("lora_A.task{}.weight", task_), a_);
  visit(fmt::format("lora_B.task{}.weight", task_), b_);
}

void TaskAdapter::merge(Tensor& weight, Tensor& bias) const {
  LowRankAdapter::merge(weight, bias);
  if (!earlier_a_.defined()) return;
  const at::NoGradGuard no_grad;
  weight.add_(at::matmul(widened(earlier_b_), widened(earlier_a_)), scale());
}

std::optional<AdapterForm> TaskAdapter::form() const {
  std::optional<AdapterForm> form = LowRankAdapter::form();
  if (!earlier_a_.defined()) return form;
  form->values = {{"lora_A.weight", widened(stacked(earlier_a_, a_, 0))},
                  {"lora_B.weight", widened(stacked(earlier_b_, b_, 1))}};
  form->rslora = false;
  form->alpha = scale() * static_cast<double>(form->rank());
  return form;
}

void TaskAdapter::state(Archive& archive) {
  archive(seam_ + ".lora_A", earlier_a_);
  archive(seam_ + ".lora_B", earlier_b_);
  if (!archive.reading() || !earlier_a_.defined()) return;
  earlier_a_ = earlier_a_.to(a_.device());
  earlier_b_ = earlier_b_.to(a_.device());
}

void TaskAdapters::prepare(Setup& setup) {
  adapt_targets(method_, options_, setup.model, [&](Linear& seam) {
    adapters_.push_back(
        std::make_shared<TaskAdapter>(options_, seam, setup.model, setup.generator));
    return adapters_.back();
  });
}

void TaskAdapters::adapt(Setup& setup, int64_t task) {
  if (task <= task_) return;
  task_ = task;
  for (const auto& adapter : adapters_) adapter->begin_task(task, setup.generator);
}

void TaskAdapters::state(Archive& archive) {
  for (const auto& adapter : adapters_) adapter->state(archive);
}

}  // namespace lethe
