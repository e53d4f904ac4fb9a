// Registers of 8 (AVX2) or 16 (AVX-512) lanes under one set of names, for loops that are compiled
// once for each. All of it has internal linkage: a copy shared between the two files would run with
// the wider instructions on a processor that lacks them.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace lethe::kernels {
namespace {

#ifdef __AVX512F__

constexpr int kLaneCount = 16;
using Floats = __m512;
using Ints = __m512i;

inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
inline Floats all(float x) { return _mm512_set1_ps(x); }
inline Floats times(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats fused(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats magnitude(Floats x) { return _mm512_abs_ps(x); }
inline Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline float largest(Floats x) { return _mm512_reduce_max_ps(x); }

inline Ints load(const int32_t* p) { return _mm512_loadu_si512(p); }
inline void store(int32_t* p, Ints x) { _mm512_storeu_si512(p, x); }
inline Ints all(int32_t x) { return _mm512_set1_epi32(x); }
inline Ints plus(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints minus(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
/// Sums of neighbouring products of 16-bit integers: exact.
inline Ints pair_products(Ints a, Ints b) { return _mm512_madd_epi16(a, b); }
/// -1 where a > b, else 0.
inline Ints above(Floats a, Floats b) {
  return _mm512_movm_epi32(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ));
}
/// 16-bit integers from 8-bit ones, as many as a register holds.
inline Ints widened(const int8_t* p) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

/// table[index], index in 0..7.
struct Table8 {
  Floats values;
  explicit Table8(const float* table) : values(_mm512_castps256_ps512(_mm256_loadu_ps(table))) {}
  Floats at(Ints index) const { return _mm512_permutexvar_ps(index, values); }
};

/// 16 values times a scale, looked up by 4-bit codes.
struct Table16 {
  Floats values;
  Table16(const float* table, float scale) : values(times(load(table), all(scale))) {}
  Floats at(const uint8_t* packed) const {
    uint32_t first, second;
    std::memcpy(&first, packed, sizeof first);
    std::memcpy(&second, packed + 4, sizeof second);
    const Ints words = _mm512_inserti64x4(all(static_cast<int32_t>(first)),
                                          _mm256_set1_epi32(static_cast<int32_t>(second)), 1);
    const Ints shifts = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24);
    return _mm512_permutexvar_ps(_mm512_srlv_epi32(words, shifts), values);
  }
};

/// 32 integers below 256, in order, as bytes.
inline __m256i bytes_of(const Ints (&x)[2]) {
  return _mm256_set_m128i(_mm512_cvtepi32_epi8(x[1]), _mm512_cvtepi32_epi8(x[0]));
}

#else

constexpr int kLaneCount = 8;
using Floats = __m256;
using Ints = __m256i;

inline Floats load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
inline Floats all(float x) { return _mm256_set1_ps(x); }
inline Floats times(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats fused(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats magnitude(Floats x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); }
inline Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline float largest(Floats x) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

inline Ints load(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void store(int32_t* p, Ints x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
inline Ints all(int32_t x) { return _mm256_set1_epi32(x); }
inline Ints plus(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
inline Ints minus(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
/// Sums of neighbouring products of 16-bit integers: exact.
inline Ints pair_products(Ints a, Ints b) { return _mm256_madd_epi16(a, b); }
/// -1 where a > b, else 0.
inline Ints above(Floats a, Floats b) {
  return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
/// 16-bit integers from 8-bit ones, as many as a register holds.
inline Ints widened(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

/// table[index], index in 0..7.
struct Table8 {
  Floats values;
  explicit Table8(const float* table) : values(load(table)) {}
  Floats at(Ints index) const { return _mm256_permutevar8x32_ps(values, index); }
};

/// 16 values times a scale, looked up by 4-bit codes: both halves by the three low bits, and of
/// them by the high one.
struct Table16 {
  Floats low, high;
  Table16(const float* table, float scale)
      : low(times(load(table), all(scale))), high(times(load(table + 8), all(scale))) {}
  Floats at(const uint8_t* packed) const {
    int32_t word;
    std::memcpy(&word, packed, sizeof word);
    const Ints index = _mm256_srlv_epi32(all(word), _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, index),
                            _mm256_permutevar8x32_ps(high, index),
                            _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
  }
};

/// 32 integers below 256, in order, as bytes.
inline __m256i bytes_of(const Ints (&x)[4]) {
  const Ints mixed =
      _mm256_packus_epi16(_mm256_packus_epi32(x[0], x[1]), _mm256_packus_epi32(x[2], x[3]));
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

#endif

}  // namespace
}  // namespace lethe::kernels
