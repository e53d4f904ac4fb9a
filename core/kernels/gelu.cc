// The build adds -O3 -ffp-contract=off, as for the fused update: the loop becomes vectors.
#include "core/kernels/gelu.h"

#include <bit>

namespace lethe::kernels {
namespace {

/// exp(x) for x in [-87, 87], within 2 ulp: 2^n exp(r) with |r| <= ln(2) / 2 and Taylor's sum.
inline float exponential(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const float shifted = x * 1.44269504F + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts
  float sum = 1.0F / 5040;
  sum = sum * r + 1.0F / 720;
  sum = sum * r + 1.0F / 120;
  sum = sum * r + 1.0F / 24;
  sum = sum * r + 1.0F / 6;
  sum = sum * r + 0.5F;
  sum = sum * r + 1;
  sum = sum * r + 1;
  const uint32_t power = std::bit_cast<uint32_t>(shifted) << 23;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(sum) + power);
}

constexpr float kScale = 1.59576912F;  // 2 sqrt(2 / pi)
constexpr float kCube = 0.044715F;

/// exp of the tanh's argument, doubled and negated: the gate is 1 / (1 + it). Beyond |x| = 10
/// nothing changes but rounding.
inline float closing(float x) { return exponential(-kScale * (x + kCube * x * x * x)); }

inline float within_10(float x) {
  const float low = x < -10.0F ? -10.0F : x;
  return low > 10.0F ? 10.0F : low;
}

}  // namespace

void gelu_tanh(const float* x, float* y, float* slope, int64_t n) {
  if (slope == nullptr) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * (1 / (1 + closing(within_10(x[i]))));
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const float value = within_10(x[i]);
    const float close = closing(value), open = 1 / (1 + close);
    const float steep = kScale * (1 + 3 * kCube * value * value);
    slope[i] = open + value * steep * (close * open) * open;
    y[i] = x[i] * open;
  }
}

}  // namespace lethe::kernels
