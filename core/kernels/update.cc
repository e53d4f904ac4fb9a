#include "core/kernels/update.h"

#include <cmath>

#include "core/error.h"
#include "core/kernels/isa.h"
#include "core/kernels/update_isa.h"

namespace lethe::kernels {

StepConstants constants_of(const Update& step) {
  const bool adam = step.optimizer != Optimizer::sgd;
  const auto steps = static_cast<double>(step.step);
  const double correction1 = adam ? 1 - std::pow(step.beta1, steps) : 1;
  const double correction2 = adam ? 1 - std::pow(step.beta2, steps) : 1;
  const auto rounded = [](double value) { return static_cast<float>(value); };
  return {.scale = rounded(step.gradient_scale),
          .weight_decay = rounded(step.weight_decay),
          .shrink = rounded(1 - step.learning_rate * step.weight_decay),
          .momentum = rounded(step.momentum),
          .first_share = rounded(1 - step.beta1),
          .beta2 = rounded(step.beta2),
          .second_share = rounded(1 - step.beta2),
          .root = rounded(std::sqrt(correction2)),
          .epsilon = rounded(step.epsilon),
          .rate = rounded(step.learning_rate / correction1)};
}

Rule rule_of(const Update& step) {
  if (step.optimizer == Optimizer::adam) return Rule::adam;
  if (step.optimizer == Optimizer::adamw) return Rule::adamw;
  if (step.momentum == 0) return Rule::sgd;
  return step.step == 1 ? Rule::sgd_first : Rule::sgd_later;
}

Update checked(const Update& step) {
  if (step.n < 0) fail("an update of {} elements; expected >= 0", step.n);
  if (step.terms < 0 || step.terms > kMaxTerms) {
    fail("an update with {} quadratic terms; expected 0 to {}", step.terms, kMaxTerms);
  }
  if (step.paths < 0 || step.paths > kMaxTerms) {
    fail("an update with {} path integrals; expected 0 to {}", step.paths, kMaxTerms);
  }
  if (step.step < 1) fail("an update at step {}; steps count from 1", step.step);
  const bool adam = step.optimizer != Optimizer::sgd;
  if (step.n > 0 && adam && (step.first == nullptr || step.second == nullptr)) {
    fail("an Adam update without its two moments; lay out both twins first");
  }
  if (step.n > 0 && !adam && step.momentum != 0 && step.first == nullptr) {
    fail("an SGD update with momentum {} without a momentum buffer; lay out its twin first",
         step.momentum);
  }
  Update kept = step;
  kept.terms = 0;
  for (int t = 0; t < step.terms; ++t) {
    if (step.term[t].strength != 0) kept.term[kept.terms++] = step.term[t];
  }
  return kept;
}

double update(const Update& step) {
  const Update kept = checked(step);
  return use_avx512() ? update_avx512(kept) : update_avx2(kept);
}

Update reading(const Update& step) {
  Update plain = step;
  plain.optimizer = Optimizer::sgd;
  plain.momentum = 0;
  return plain;
}

double squared_norm(const Update& step) {
  const Update kept = checked(reading(step));
  return use_avx512() ? squared_norm_avx512(kept) : squared_norm_avx2(kept);
}

const char* instruction_set() { return use_avx512() ? "avx512" : "avx2"; }

}  // namespace lethe::kernels
