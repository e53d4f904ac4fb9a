// What the 8-bit codes need of registers of integers beyond core/kernels/lanes.h; internal linkage,
// as there.
#pragma once

#include "core/kernels/lanes.h"

namespace lethe::kernels {
namespace {

#ifdef __AVX512F__

inline Ints common(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints different(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
inline Ints smaller(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
inline Ints larger(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
inline Ints whole_part(Floats x) { return _mm512_cvttps_epi32(x); }
/// A bit a lane, set where a > b.
inline uint32_t lanes_above(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
inline int32_t greatest(Ints x) { return _mm512_reduce_max_epi32(x); }

#else

inline Ints common(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints different(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
inline Ints smaller(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
inline Ints larger(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
inline Ints whole_part(Floats x) { return _mm256_cvttps_epi32(x); }
/// A bit a lane, set where a > b.
inline uint32_t lanes_above(Floats a, Floats b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)));
}
inline int32_t greatest(Ints x) {
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
  return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1)));
}

#endif

}  // namespace
}  // namespace lethe::kernels
