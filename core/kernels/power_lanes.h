// Powers and logarithms of two of every lane of a register, and what they need beyond
// core/kernels/lanes.h; internal linkage, as there.
#pragma once

#include "core/kernels/lanes.h"

namespace lethe::kernels {
namespace {

#ifdef __AVX512F__

inline Floats plus(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats minus(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats divided(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Ints bits_of(Floats x) { return _mm512_castps_si512(x); }
inline Floats floats_of(Ints bits) { return _mm512_castsi512_ps(bits); }
/// Each lane's bits moved towards the high end, and towards the low end with the sign kept.
template <int kBits>
inline Ints moved_up(Ints x) {
  return _mm512_slli_epi32(x, kBits);
}
template <int kBits>
inline Ints moved_down(Ints x) {
  return _mm512_srai_epi32(x, kBits);
}
inline Floats converted(Ints x) { return _mm512_cvtepi32_ps(x); }
/// a where mask is -1, b where it is 0.
inline Floats chosen(Ints mask, Floats a, Floats b) {
  return _mm512_mask_blend_ps(_mm512_movepi32_mask(mask), b, a);
}

#else

inline Floats plus(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats minus(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Floats divided(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Ints bits_of(Floats x) { return _mm256_castps_si256(x); }
inline Floats floats_of(Ints bits) { return _mm256_castsi256_ps(bits); }
/// Each lane's bits moved towards the high end, and towards the low end with the sign kept.
template <int kBits>
inline Ints moved_up(Ints x) {
  return _mm256_slli_epi32(x, kBits);
}
template <int kBits>
inline Ints moved_down(Ints x) {
  return _mm256_srai_epi32(x, kBits);
}
inline Floats converted(Ints x) { return _mm256_cvtepi32_ps(x); }
/// a where mask is -1, b where it is 0.
inline Floats chosen(Ints mask, Floats a, Floats b) {
  return _mm256_blendv_ps(b, a, floats_of(mask));
}

#endif

/// 2^x for x < 127, within 1 ulp; below -126 it stays 2^-126, and NaN stays NaN. 2^n times a
/// polynomial in x - n, |x - n| <= 1/2, whose coefficients keep the relative error below 2e-9.
inline Floats power_of_two(Floats x) {
  const Floats round = all(12582912.0F);  // 1.5 * 2^23: adding it leaves an integer in the low bits
  x = larger(all(-126.0F), x);
  const Floats shifted = plus(x, round);
  const Floats r = minus(x, minus(shifted, round));
  Floats sum = fused(all(1.53533634e-4F), r, all(1.33988750e-3F));
  sum = fused(sum, r, all(9.61843692e-3F));
  sum = fused(sum, r, all(5.55033237e-2F));
  sum = fused(sum, r, all(0.240226477F));
  sum = fused(sum, r, all(0.693147182F));
  sum = fused(sum, r, all(1.0F));
  return floats_of(plus(bits_of(sum), moved_up<23>(bits_of(shifted))));
}

/// log2(x) for normal x > 0, within 2 ulp of the larger of 1 and the result; NaN stays NaN. The
/// series of 2 artanh(z) = log(m), z = (m - 1) / (m + 1), for m from sqrt(1/2) to sqrt(2).
inline Floats logarithm_of_two(Floats x) {
  const Ints exponent = moved_down<23>(minus(bits_of(x), all(0x3f3504f3)));
  const Floats m = floats_of(minus(bits_of(x), moved_up<23>(exponent)));
  const Floats z = divided(minus(m, all(1.0F)), plus(m, all(1.0F)));
  const Floats square = times(z, z);
  Floats sum = fused(all(1.0F / 9), square, all(1.0F / 7));
  sum = fused(sum, square, all(1.0F / 5));
  sum = fused(sum, square, all(1.0F / 3));
  sum = fused(sum, square, all(1.0F));
  return fused(times(z, all(2.88539008F)), sum, converted(exponent));  // 2 / ln 2
}

}  // namespace
}  // namespace lethe::kernels
