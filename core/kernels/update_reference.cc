// The update as one plain loop over elements, written apart from update_loop.h so that one checks
// the other. Products and sums are rounded separately here too.
#pragma GCC optimize("fp-contract=off", "no-tree-vectorize", "no-tree-slp-vectorize")

#include <cmath>

#include "core/kernels/update_isa.h"

namespace lethe::kernels {
namespace {

struct Element {
  float before, gradient, scaled;  // scaled: what the optimizer sees
};

float sgd_step(const Update& step, const StepConstants& c, int64_t i, const Element& element) {
  float direction = element.scaled + c.weight_decay * element.before;
  if (step.momentum != 0) {
    if (step.step > 1) direction = c.momentum * step.first[i] + direction;
    step.first[i] = direction;
  }
  return element.before - c.rate * direction;
}

float adam_step(const Update& step, const StepConstants& c, int64_t i, const Element& element) {
  const bool decoupled = step.optimizer == Optimizer::adamw;
  const float start = decoupled ? element.before * c.shrink : element.before;
  const float g = decoupled ? element.scaled : element.scaled + c.weight_decay * element.before;
  step.first[i] += c.first_share * (g - step.first[i]);
  step.second[i] = step.second[i] * c.beta2 + c.second_share * g * g;
  const float denominator = std::sqrt(step.second[i]) / c.root + c.epsilon;
  return start - c.rate * step.first[i] / denominator;
}

}  // namespace

double update_reference(const Update& given) {
  const Update step = checked(given);
  const StepConstants constants = constants_of(step);
  double lanes[kMaxTerms][kLanes] = {};
  for (int64_t i = 0; i < step.n; ++i) {
    Element element{step.value[i], step.gradient[i], 0};
    float total = element.gradient;
    if (step.added != nullptr) total += step.added[i];
    for (int t = 0; t < step.terms; ++t) {
      const QuadraticTerm& term = step.term[t];
      const float distance = element.before - term.anchor[i];
      float weighted = distance;
      if (term.importance != nullptr) weighted = term.importance[i] * distance;
      total += static_cast<float>(2 * term.strength) * weighted;
      if (!step.summed) continue;
      lanes[t][i % kLanes] += static_cast<double>(weighted) * static_cast<double>(distance);
    }
    element.scaled = total * constants.scale;
    const bool sgd = step.optimizer == Optimizer::sgd;
    step.value[i] =
        sgd ? sgd_step(step, constants, i, element) : adam_step(step, constants, i, element);
    const float moved = step.value[i] - element.before;
    for (int p = 0; p < step.paths; ++p) {
      step.path[p].path[i] -= (step.path[p].total ? total : element.gradient) * moved;
    }
    if (step.zero_gradient) step.gradient[i] = 0;
  }
  double penalty = 0;
  for (int t = 0; t < step.terms; ++t) {
    double sum = 0;
    for (const double lane : lanes[t]) sum += lane;
    penalty += step.term[t].strength * sum;
  }
  return penalty;
}

}  // namespace lethe::kernels
