// The loop behind the 8-bit AdamW step, compiled once for each instruction set; internal linkage,
// as in core/kernels/lanes.h. A block goes through all parts while it lies in the first-level
// cache.
#pragma once

#include "core/kernels/adam8_isa.h"
#include "core/kernels/byte_map_lanes.h"
#include "core/kernels/fourbit_isa.h"

namespace lethe::kernels {
namespace {

/// out[i] = values[codes[i]] * absmax. Eight loads are faster than a gather.
inline void recall_moments(const float* values, const uint8_t* codes, float absmax, int64_t n,
                           float* out) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, codes + i, sizeof eight);
    const auto value = [&](int place) { return values[eight >> 8 * place & 255]; };
    const __m256 found = _mm256_setr_ps(value(0), value(1), value(2), value(3), value(4), value(5),
                                        value(6), value(7));
    _mm256_storeu_ps(out + i, _mm256_mul_ps(found, _mm256_set1_ps(absmax)));
  }
  for (; i < n; ++i) out[i] = values[codes[i]] * absmax;
}

inline void move_block(const Adam8Constants& c, const float* __restrict gradient, int64_t n,
                       float* __restrict value, float* __restrict first, float* __restrict second) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = c.scale * gradient[i];
    first[i] = first[i] * c.beta1 + c.first_share * g;
    second[i] = second[i] * c.beta2 + c.second_share * g * g;
    const float shrunk = value[i] * c.shrink;
    value[i] = shrunk - c.rate * (first[i] / (__builtin_sqrtf(second[i]) + c.epsilon));
  }
}

/// Codes of a block's moments; returns their absmax.
inline float keep_moments(const ByteMap& map, const LineLanes& lines, const float* x, int64_t n,
                          uint8_t* codes) {
  const float most = most_by_bits(x, n);
  write_codes(map, lines, x, n, finite_reciprocal(most), codes);
  return most;
}

inline void run_adamw8(const Adam8Step& step, const Adam8Constants& constants) {
  const ByteMap &first_map = signed_dynamic_map(), &second_map = unsigned_dynamic_map();
  const LineLanes first_lines(*first_map.lines()), second_lines(*second_map.lines());
  alignas(64) float first[kAdam8Block], second[kAdam8Block];
  for (int64_t start = 0; start < step.n; start += kAdam8Block) {
    const int64_t rest = step.n - start, n = rest < kAdam8Block ? rest : kAdam8Block;
    const int64_t block = start / kAdam8Block;
    recall_moments(first_map.values(), step.first + start, step.first_absmax[block], n, first);
    recall_moments(second_map.values(), step.second + start, step.second_absmax[block], n, second);
    move_block(constants, step.gradient + start, n, step.value + start, first, second);
    step.first_absmax[block] = keep_moments(first_map, first_lines, first, n, step.first + start);
    step.second_absmax[block] =
        keep_moments(second_map, second_lines, second, n, step.second + start);
    if (step.zero_gradient) {
      std::memset(step.gradient + start, 0, static_cast<size_t>(n) * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
