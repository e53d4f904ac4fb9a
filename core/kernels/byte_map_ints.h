// What the 8-bit codes need of registers of integers beyond core/kernels/lanes.h; internal linkage,
// as there.
#pragma once

#include "core/kernels/lanes.h"

namespace lethe::kernels {
namespace {

#ifdef __AVX512F__

inline Ints common(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints smaller(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
inline Ints larger(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
inline Ints whole_part(Floats x) { return _mm512_cvttps_epi32(x); }
/// Bits moved towards the low end, zeros behind them.
template <int kBits>
inline Ints moved_to_low(Ints x) {
  return _mm512_srli_epi32(x, kBits);
}
/// 16 bytes, to be looked up by the low byte of each lane, whose other bytes are 0 as is table[0].
inline Ints byte_table(const uint8_t* table) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return _mm512_broadcast_i32x4(bytes);
}
inline Ints bytes_at(Ints table, Ints index) { return _mm512_shuffle_epi8(table, index); }
/// A bit a lane, set where a < b.
inline uint32_t lanes_below(Ints a, Ints b) { return _mm512_cmplt_epi32_mask(a, b); }
inline int32_t greatest(Ints x) { return _mm512_reduce_max_epi32(x); }

#else

inline Ints common(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints smaller(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
inline Ints larger(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
inline Ints whole_part(Floats x) { return _mm256_cvttps_epi32(x); }
/// Bits moved towards the low end, zeros behind them.
template <int kBits>
inline Ints moved_to_low(Ints x) {
  return _mm256_srli_epi32(x, kBits);
}
/// 16 bytes, to be looked up by the low byte of each lane, whose other bytes are 0 as is table[0].
inline Ints byte_table(const uint8_t* table) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return _mm256_broadcastsi128_si256(bytes);
}
inline Ints bytes_at(Ints table, Ints index) { return _mm256_shuffle_epi8(table, index); }
/// A bit a lane, set where a < b.
inline uint32_t lanes_below(Ints a, Ints b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a))));
}
inline int32_t greatest(Ints x) {
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
  return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1)));
}

#endif

}  // namespace
}  // namespace lethe::kernels
