// Sums of a strip, written as rows of tokens; internal linkage, as in core/kernels/lanes.h.
#pragma once

#include <cstring>

#include "core/kernels/transposed.h"

namespace lethe::kernels {
namespace {

/// y[t * y_stride + r] = sums[r * stride + t] + bias[r] for `rows` and `tokens`. Without a bias
/// (null) sums and y may hold 32-bit integers.
inline void write_strip(const float* sums, int64_t stride, int64_t rows, int64_t tokens,
                        const float* bias, float* y, int64_t y_stride) {
  const int64_t whole_rows = rows / 8 * 8, whole_tokens = tokens / 8 * 8;
  for (int64_t t = 0; t < whole_tokens; t += 8) {
    for (int64_t r = 0; r < whole_rows; r += 8) {
      __m256 lines[8];
      transposed8(sums + r * stride + t, stride, lines);
      for (int i = 0; i < 8; ++i) {
        const __m256 line =
            bias == nullptr ? lines[i] : _mm256_add_ps(lines[i], _mm256_loadu_ps(bias + r));
        _mm256_storeu_ps(y + (t + i) * y_stride + r, line);
      }
    }
  }
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t r = t < whole_tokens ? whole_rows : 0; r < rows; ++r) {
      float sum;
      std::memcpy(&sum, sums + r * stride + t, sizeof sum);
      if (bias != nullptr) sum += bias[r];
      std::memcpy(y + t * y_stride + r, &sum, sizeof sum);
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
