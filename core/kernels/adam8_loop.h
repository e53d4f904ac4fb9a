// The loop behind the 8-bit AdamW step, compiled once for each instruction set; internal linkage,
// as in core/kernels/lanes.h. A block goes through all parts while it lies in the first-level
// cache.
#pragma once

#include "core/kernels/adam8_isa.h"
#include "core/kernels/byte_map_lanes.h"
#include "core/kernels/fourbit_isa.h"

namespace lethe::kernels {
namespace {

/// values[codes[i]] for 8 codes: loads are faster than a gather.
inline __m256 eight_of(const float* values, const uint8_t* codes) {
  return _mm256_setr_ps(values[codes[0]], values[codes[1]], values[codes[2]], values[codes[3]],
                        values[codes[4]], values[codes[5]], values[codes[6]], values[codes[7]]);
}

#ifdef __AVX512F__
inline Floats values_of(const float* values, const uint8_t* codes) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(eight_of(values, codes)),
                            eight_of(values, codes + 8), 1);
}
inline Floats root_of(Floats x) { return _mm512_sqrt_ps(x); }
#else
inline Floats values_of(const float* values, const uint8_t* codes) {
  return eight_of(values, codes);
}
inline Floats root_of(Floats x) { return _mm256_sqrt_ps(x); }
#endif

/// One of the two moments of a block: what it is made from, and what it becomes.
struct MomentBlock {
  const float* map;  ///< values by code
  const uint8_t* codes;
  float absmax;
  float* now;
  Ints most = all(0);  ///< largest magnitudes of `now` as bits
};

/// `now` gets the lanes from i on.
inline void keep_lanes(MomentBlock& moment, int64_t i, Floats x) {
  store(moment.now + i, x);
  moment.most = larger(moment.most, common(bits_of(x), all(0x7fffffff)));
}

/// Moves whole registers of a block's n elements; returns how many elements that was.
inline int64_t move_lanes(const Adam8Constants& c, const float* gradient, int64_t n, float* value,
                          MomentBlock& first, MomentBlock& second) {
  int64_t i = 0;
  for (; i + kLaneCount <= n; i += kLaneCount) {
    const Floats g = times(all(c.scale), load(gradient + i));
    const Floats m0 = times(values_of(first.map, first.codes + i), all(first.absmax));
    const Floats v0 = times(values_of(second.map, second.codes + i), all(second.absmax));
    const Floats m = plus(times(m0, all(c.beta1)), times(all(c.first_share), g));
    const Floats v = plus(times(v0, all(c.beta2)), times(times(all(c.second_share), g), g));
    const Floats move = divided(m, plus(root_of(v), all(c.epsilon)));
    const Floats shrunk = times(load(value + i), all(c.shrink));
    store(value + i, minus(shrunk, times(all(c.rate), move)));
    keep_lanes(first, i, m);
    keep_lanes(second, i, v);
  }
  return i;
}

/// The rest of a block, from i on.
inline void move_rest(const Adam8Constants& c, const float* gradient, int64_t i, int64_t n,
                      float* value, const MomentBlock& first, const MomentBlock& second) {
  for (; i < n; ++i) {
    const float g = c.scale * gradient[i];
    const float m = first.map[first.codes[i]] * first.absmax * c.beta1 + c.first_share * g;
    const float v = second.map[second.codes[i]] * second.absmax * c.beta2 + c.second_share * g * g;
    value[i] = value[i] * c.shrink - c.rate * (m / (__builtin_sqrtf(v) + c.epsilon));
    first.now[i] = m;
    second.now[i] = v;
  }
}

/// Codes of a block's moments; returns their absmax.
inline float keep_moments(const ByteMap& map, const LineLanes& lines, const MomentBlock& moment,
                          int64_t from_lanes, int64_t n, uint8_t* codes) {
  const float most = most_by_bits(moment.now + from_lanes, n - from_lanes, moment.most);
  write_codes(map, lines, moment.now, n, finite_reciprocal(most), codes);
  return most;
}

inline void run_adamw8(const Adam8Step& step, const Adam8Constants& constants) {
  const ByteMap &first_map = signed_dynamic_map(), &second_map = unsigned_dynamic_map();
  const LineLanes first_lines(*first_map.lines()), second_lines(*second_map.lines());
  alignas(64) float first_now[kAdam8Block], second_now[kAdam8Block];
  for (int64_t start = 0; start < step.n; start += kAdam8Block) {
    const int64_t rest = step.n - start, n = rest < kAdam8Block ? rest : kAdam8Block;
    const int64_t block = start / kAdam8Block;
    float *gradient = step.gradient + start, *value = step.value + start;
    uint8_t *first_codes = step.first + start, *second_codes = step.second + start;
    MomentBlock first{first_map.values(), first_codes, step.first_absmax[block], first_now};
    MomentBlock second{second_map.values(), second_codes, step.second_absmax[block], second_now};
    const int64_t moved = move_lanes(constants, gradient, n, value, first, second);
    move_rest(constants, gradient, moved, n, value, first, second);
    step.first_absmax[block] = keep_moments(first_map, first_lines, first, moved, n, first_codes);
    step.second_absmax[block] =
        keep_moments(second_map, second_lines, second, moved, n, second_codes);
    if (step.zero_gradient) std::memset(gradient, 0, static_cast<size_t>(n) * sizeof(float));
  }
}

}  // namespace
}  // namespace lethe::kernels
