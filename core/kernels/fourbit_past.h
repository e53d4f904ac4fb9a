// Writing past the caches; internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/lanes.h"

namespace lethe::kernels {
namespace {

/// store() without reading the line first or keeping it. p is a multiple of 16 bytes; an _mm_sfence
/// follows the last.
inline void store_past(float* p, Floats x) {
#ifdef __AVX512F__
  _mm_stream_ps(p, _mm512_castps512_ps128(x));
  _mm_stream_ps(p + 4, _mm512_extractf32x4_ps(x, 1));
  _mm_stream_ps(p + 8, _mm512_extractf32x4_ps(x, 2));
  _mm_stream_ps(p + 12, _mm512_extractf32x4_ps(x, 3));
#else
  _mm_stream_ps(p, _mm256_castps256_ps128(x));
  _mm_stream_ps(p + 4, _mm256_extractf128_ps(x, 1));
#endif
}

}  // namespace
}  // namespace lethe::kernels
