// The optimizers' rules on one block, part of core/kernels/update_loop.h: internal linkage for the
// same reason.
#pragma once

#include "core/kernels/update_isa.h"

namespace lethe::kernels {
namespace {

/// The arrays of one block.
struct Block {
  int64_t n;
  const float* gradient;  ///< with the quadratic gradients
  float* value;
  float* first;
  float* second;
  float* moved;  ///< value after - value before
  /// The term that is added on the way, where kPulled: a pass of its own takes a tenth longer.
  QuadraticTerm term = {};
  float twice = 0;  ///< 2 strength
};

template <Rule kRule, bool kPulled, bool kMoved>
void move(const StepConstants& c, const Block& block) {
  const float* __restrict gradient = block.gradient;
  float* __restrict value = block.value;
  float* __restrict first = block.first;
  float* __restrict second = block.second;
  float* __restrict moved = block.moved;
  const float* __restrict importance = block.term.importance;
  const float* __restrict anchor = block.term.anchor;
  const float twice = block.twice;
  const StepConstants k = c;  // a local copy: stores through the arrays cannot reach it
#pragma GCC ivdep
  for (int64_t i = 0; i < block.n; ++i) {
    const float before = value[i];
    float g = gradient[i];
    if constexpr (kPulled) g = g + twice * (importance[i] * (before - anchor[i]));
    g = g * k.scale;
    float after = before;
    if constexpr (kRule == Rule::adamw) {
      after = before * k.shrink;
    } else {
      g = g + k.weight_decay * before;
    }
    if constexpr (kRule == Rule::adam || kRule == Rule::adamw) {
      const float m = first[i] + k.first_share * (g - first[i]);
      const float v = second[i] * k.beta2 + (k.second_share * g) * g;
      first[i] = m;
      second[i] = v;
      after = after - (k.rate * m) / (__builtin_sqrtf(v) / k.root + k.epsilon);
    } else {
      if constexpr (kRule == Rule::sgd_later) g = k.momentum * first[i] + g;
      if constexpr (kRule != Rule::sgd) first[i] = g;
      after = after - k.rate * g;
    }
    value[i] = after;
    if constexpr (kMoved) moved[i] = after - before;
  }
}

using Move = void (*)(const StepConstants&, const Block&);

template <bool kPulled, bool kMoved>
Move move_of(Rule rule) {
  switch (rule) {
    case Rule::sgd:
      return move<Rule::sgd, kPulled, kMoved>;
    case Rule::sgd_first:
      return move<Rule::sgd_first, kPulled, kMoved>;
    case Rule::sgd_later:
      return move<Rule::sgd_later, kPulled, kMoved>;
    case Rule::adam:
      return move<Rule::adam, kPulled, kMoved>;
    default:
      return move<Rule::adamw, kPulled, kMoved>;
  }
}

}  // namespace
}  // namespace lethe::kernels
