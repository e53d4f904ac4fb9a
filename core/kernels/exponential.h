// Exponential and logarithm for loops that the compiler turns into vectors; internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include <bit>
#include <cstdint>

namespace lethe::kernels {
namespace {

/// exp(x) for x in [-87, 87], within 0.7 ulp: 2^n exp(r) with |r| <= ln(2) / 2 and Taylor's sum.
/// NaN stays NaN.
inline float exponential(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const float shifted = __builtin_fmaf(x, 1.44269504F, kRound);
  const float n = shifted - kRound;
  const float high = __builtin_fmaf(n, -0.693359375F, x);  // ln 2 in two parts
  const float r = __builtin_fmaf(n, 2.12194440e-4F, high);
  const float rest = __builtin_fmaf(n, 2.12194440e-4F, high - r);  // that rounding took from r
  float sum = 1.0F / 5040;
  sum = __builtin_fmaf(sum, r, 1.0F / 720);
  sum = __builtin_fmaf(sum, r, 1.0F / 120);
  sum = __builtin_fmaf(sum, r, 1.0F / 24);
  sum = __builtin_fmaf(sum, r, 1.0F / 6);
  sum = __builtin_fmaf(sum, r, 0.5F);
  sum = __builtin_fmaf(sum, r, 1.0F);
  sum = __builtin_fmaf(sum, r, rest) + 1.0F;
  const uint32_t power = std::bit_cast<uint32_t>(shifted) << 23;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(sum) + power);
}

/// exp(x) for x <= 0, and 0 below -87, where it is no normal number.
inline float decayed(float x) {
  constexpr float kSmallest = -87.0F;
  const float value = exponential(x < kSmallest ? kSmallest : x);
  return x < kSmallest ? 0.0F : value;
}

/// log(x) for normal x > 0, within 4 ulp of the larger of 1 and the result: the series of
/// 2 artanh((m - 1) / (m + 1)) for a mantissa m from sqrt(1/2) to sqrt(2).
inline float logarithm(float x) {
  const auto bits = std::bit_cast<int32_t>(x);
  const int32_t exponent = (bits - 0x3f3504f3) >> 23;
  const float m = std::bit_cast<float>(bits - (exponent << 23));
  const float z = (m - 1) / (m + 1), square = z * z;
  float sum = 1.0F / 9;
  sum = sum * square + 1.0F / 7;
  sum = sum * square + 1.0F / 5;
  sum = sum * square + 1.0F / 3;
  sum = sum * square + 1;
  return 2 * z * sum + static_cast<float>(exponent) * 0.693147181F;
}

}  // namespace
}  // namespace lethe::kernels
