#include "core/distillation_loss.h"

namespace lethe {
namespace {

/// sum over units of where(kept, terms, 0), mean over positions.
Tensor reduced(const Tensor& kept, const Tensor& terms) {
  return at::where(kept, terms, at::zeros_like(terms)).sum(1).mean();
}

/// -(t log s(z) + (1 - t) log(1 - s(z))) = log(1 + exp(z)) - t z
Tensor binary_loss(const Tensor& targets, const Tensor& softened) {
  const Tensor there = softened.isfinite();
  const Tensor z = at::where(there, softened, at::zeros_like(softened));
  return reduced(there, z.logaddexp(at::zeros_like(z)) - targets * z);
}

}  // namespace

Tensor soft_targets(const std::string& form, const Tensor& taught, double temperature) {
  const Tensor softened = taught / temperature;
  return form == "binary" ? softened.sigmoid() : softened.softmax(1);
}

Tensor soft_loss(const std::string& form, const Tensor& targets, const Tensor& student,
                 double temperature) {
  const Tensor softened = student / temperature;
  if (form == "binary") return binary_loss(targets, softened);
  const Tensor logs = at::log_softmax(softened, 1);
  if (form == "reverse_kl") {
    const Tensor there = softened.isfinite();
    const Tensor own = at::where(there, logs, at::zeros_like(logs));
    const Tensor theirs = at::where(there, targets, at::ones_like(targets)).log();
    return reduced(there, own.exp() * (own - theirs));
  }
  const Tensor crossed = -reduced(targets > 0, targets * logs);
  if (form != "kl") return crossed;
  return crossed + reduced(targets > 0, targets * targets.log());
}

}  // namespace lethe
