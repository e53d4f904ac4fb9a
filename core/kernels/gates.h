// Activations with their derivatives, for loops that the compiler turns into vectors; internal
// linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/exponential.h"

namespace lethe::kernels {
namespace {

struct Activated {
  float value, slope;
};

inline float within(float x, float most) {
  const float low = x < -most ? -most : x;
  return low > most ? most : low;
}

/// GELU in its tanh form: x times the logistic function of twice the tanh's argument. Beyond
/// |x| = 10 nothing changes but rounding.
inline Activated gelu_of(float given) {
  constexpr float kScale = 1.59576912F;  // 2 sqrt(2 / pi)
  constexpr float kCube = 0.044715F;
  const float x = within(given, 10.0F);
  const float close = exponential(-kScale * (x + kCube * x * x * x)), open = 1 / (1 + close);
  const float steep = kScale * (1 + 3 * kCube * x * x);
  return {given * open, open + x * steep * (close * open) * open};
}

/// SiLU: x times the logistic function of x.
inline Activated silu_of(float given) {
  const float x = within(given, 87.0F);
  const float close = exponential(-x), open = 1 / (1 + close);
  return {given * open, open + x * (close * open) * open};
}

}  // namespace
}  // namespace lethe::kernels
