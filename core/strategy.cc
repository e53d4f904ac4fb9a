#include "core/strategy.h"

#include "core/error.h"

namespace lethe {

Strategy::~Strategy() = default;

Tensor Step::under(const Twin& twin, const Batch& other) const {
  const at::NoGradGuard no_grad;
  const Evaluating evaluating(model);
  const Arena::Shown shown(arena, twin.tensor());
  return model.forward(other);
}

void Update::add_quadratic(double strength, const Twin& importance, const Twin& anchor) {
  if (strength == 0) return;
  if (step_.terms == kernels::kMaxTerms) {
    add_outside(strength, importance, anchor);
    return;
  }
  step_.term[step_.terms++] = {strength,
                               importance ? importance.tensor().data_ptr<float>() : nullptr,
                               anchor.tensor().data_ptr<float>()};
}

void Update::add_outside(double strength, const Twin& importance, const Twin& anchor) {
  const MemoryTag tag(Category::workspace);
  const at::NoGradGuard no_grad;
  const Tensor moved = arena_.values() - anchor.tensor();
  const Tensor pull = importance ? moved * importance.tensor() : moved.clone();
  const double penalty = strength * (pull * moved).sum(at::kDouble).item<double>();
  add_gradient(pull.mul_(2 * strength), penalty);
}

void Update::add_path(const Twin& path, bool total) {
  if (step_.paths == kernels::kMaxTerms) {
    fail("a method has more than {} path integrals; drop one", kernels::kMaxTerms);
  }
  step_.path[step_.paths++] = {path.tensor().data_ptr<float>(), total};
}

void Update::add_gradient(const Tensor& flat, double penalty) {
  added_ = added_.defined() ? added_ + flat : flat.contiguous();
  step_.added = added_.data_ptr<float>();
  added_penalty_ += penalty;
}

void TaskEnd::copy_values_to(const Twin& twin) const {
  const at::NoGradGuard no_grad;
  twin.tensor().copy_(arena.values());
}

}  // namespace lethe
