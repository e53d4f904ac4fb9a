#include "core/backward_update.h"

#include <memory>

#include "core/error.h"
#include "core/gradient_hook.h"
#include "core/update.h"

namespace lethe {

struct BackwardUpdate::Hook : torch::autograd::PostAccumulateGradHook {
  Hook(BackwardUpdate& of, size_t at) : owner(of), number(at) {}
  void operator()(const Tensor&) override { owner.ready(number); }
  BackwardUpdate& owner;
  size_t number;
};

BackwardUpdate::~BackwardUpdate() { detach(); }

void BackwardUpdate::detach() {
  for (const ArenaRange& range : ranges_) {
    torch::autograd::impl::set_post_acc_grad_hooks(range.parameter, nullptr);
  }
  ranges_.clear();
}

void BackwardUpdate::attach(const Arena& arena) {
  detach();
  ranges_ = arena.ranges();
  for (size_t i = 0; i < ranges_.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(ranges_[i].parameter,
                                                   std::make_unique<Hook>(*this, i));
  }
}

void BackwardUpdate::begin(const kernels::Update& step, const RangeUpdate& update) {
  step_ = step;
  update_.emplace(update);
  moved_.assign(ranges_.size(), false);
  penalty_ = squared_norm_ = 0;
}

void BackwardUpdate::ready(size_t number) {
  if (held_ || !ranges_[number].parameter.grad().defined()) return;
  if (moved_[number]) {
    fail("optimizer-in-backward: '{}' was given a second gradient in one step; drop the lever",
         ranges_[number].name);
  }
  move(number);
}

void BackwardUpdate::move(size_t number) {
  const at::NoGradGuard no_grad;
  const ArenaRange& range = ranges_[number];
  Tensor& kept = range.parameter.mutable_grad();
  const Tensor gradient =
      kept.defined() ? kept.reshape(-1) : at::zeros_like(range.parameter).view(-1);
  kept.reset();
  kernels::Update part = part_of(step_, range.offset, range.size);
  part.zero_gradient = false;
  squared_norm_ += update_->squared_norm(range, gradient, part);
  penalty_ += update_->move(range, gradient, part);
  moved_[number] = true;
}

void BackwardUpdate::settle(const Tensor& parameter) {
  for (size_t i = 0; i < ranges_.size(); ++i) {
    if (ranges_[i].parameter.is_same(parameter) && !moved_[i]) move(i);
  }
}

double BackwardUpdate::finish() {
  for (size_t i = 0; i < ranges_.size(); ++i) {
    if (!moved_[i]) move(i);
  }
  return penalty_;
}

}  // namespace lethe
