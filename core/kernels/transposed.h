// The 8 x 8 transpose, compiled once for each instruction set; internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lethe::kernels {
namespace {

/// out[i][j] = in[j * in_stride + i], 8 x 8.
inline void transposed8(const float* in, int64_t in_stride, __m256 (&out)[8]) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = _mm256_loadu_ps(in + i * in_stride);
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
    out[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
  }
}

}  // namespace
}  // namespace lethe::kernels
