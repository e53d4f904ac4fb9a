// Codes of a dynamic map for whole registers, compiled once for each instruction set; internal
// linkage, as in core/kernels/lanes.h. Equal to ByteMap::code_of.
#pragma once

#include "core/kernels/byte_map.h"
#include "core/kernels/byte_map_ints.h"
#include "core/kernels/power_lanes.h"

namespace lethe::kernels {
namespace {

constexpr int64_t kByteGroup = 32;  ///< codes made at a time
constexpr int kByteVectors = static_cast<int>(kByteGroup) / kLaneCount;

/// ByteLines in registers.
struct LineLanes {
  explicit LineLanes(const ByteLines& lines)
      : zero(all(lines.zero)),
        range(byte_table(lines.range)),
        edge(lines.edge),
        scale(lines.scale),
        offset(lines.offset),
        top(bit_table(lines.top)),
        code_of_zero(_mm256_set1_epi8(static_cast<char>(lines.code_of_zero))) {}

  static Table8 bit_table(const int32_t* numbers) {
    float values[8];
    std::memcpy(values, numbers, sizeof values);
    return Table8(values);
  }

  Floats zero;
  Ints range;
  Table8 edge, scale, offset, top;
  __m256i code_of_zero;
};

/// Codes of 32 values, all registers in step, so that one works while the others wait. Returns a
/// bit for each that is to be looked up.
inline uint32_t write_group(const LineLanes& lines, const float* x, float reciprocal,
                            uint8_t* codes) {
  Ints sign[kByteVectors], range[kByteVectors], place[kByteVectors], number[kByteVectors];
  Floats size[kByteVectors];
  for (int v = 0; v < kByteVectors; ++v) {
    const Ints bits = bits_of(times(load(x + v * kLaneCount), all(reciprocal)));
    sign[v] = moved_to_low<31>(bits);
    // A tie goes to the lower code: below 0 that is the greater magnitude, hence the next float.
    size[v] = floats_of(plus(common(bits, all(0x7fffffff)), sign[v]));
    range[v] = bytes_at(lines.range, moved_to_low<24>(bits_of(size[v])));
  }
  for (int v = 0; v < kByteVectors; ++v) {
    range[v] = minus(range[v], above(size[v], lines.edge.at(range[v])));
  }
  for (int v = 0; v < kByteVectors; ++v) {
    place[v] = whole_part(fused(size[v], lines.scale.at(range[v]), lines.offset.at(range[v])));
  }
  Ints nearest = all(kLineUnit);
  for (int v = 0; v < kByteVectors; ++v) {
    const Ints most = bits_of(lines.top.at(range[v]));
    number[v] =
        common(smaller(moved_to_low<kLineBits>(place[v]), most), above(size[v], lines.zero));
    place[v] = common(plus(place[v], all(1)), all(kLineUnit - 1));
    nearest = smaller(nearest, place[v]);
  }
  const __m256i numbers = bytes_of(number), negative = bytes_of(sign);
  const __m256i found = _mm256_blendv_epi8(_mm256_adds_epu8(lines.code_of_zero, numbers),
                                           _mm256_subs_epu8(lines.code_of_zero, numbers),
                                           _mm256_sub_epi8(_mm256_setzero_si256(), negative));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), found);
  if (lanes_below(nearest, all(3)) == 0) return 0;
  uint32_t doubtful = 0;
  for (int v = 0; v < kByteVectors; ++v) {
    doubtful |= lanes_below(place[v], all(3)) << (v * kLaneCount);
  }
  return doubtful;
}

/// Largest |x| in the order of the floats' bits: NaN lies above all. `lanes`: what is there
/// already.
inline float most_by_bits(const float* x, int64_t n, Ints lanes = all(0)) {
  const Ints without_sign = all(0x7fffffff);
  int64_t i = 0;
  for (; i + kLaneCount <= n; i += kLaneCount) {
    lanes = larger(lanes, common(bits_of(load(x + i)), without_sign));
  }
  int32_t most = greatest(lanes);
  for (; i < n; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    if (bits > most) most = bits;
  }
  float value;
  std::memcpy(&value, &most, sizeof value);
  return value;
}

/// codes[i] = the code of x[i] * reciprocal.
inline void write_codes(const ByteMap& map, const LineLanes& lines, const float* x, int64_t n,
                        float reciprocal, uint8_t* codes) {
  int64_t i = 0;
  for (; i + kByteGroup <= n; i += kByteGroup) {
    uint32_t doubtful = write_group(lines, x + i, reciprocal, codes + i);
    for (; doubtful != 0; doubtful &= doubtful - 1) {
      const int64_t at = i + __builtin_ctz(doubtful);
      codes[at] = nearest_code(map, x[at] * reciprocal);
    }
  }
  for (; i < n; ++i) codes[i] = nearest_code(map, x[i] * reciprocal);
}

}  // namespace
}  // namespace lethe::kernels
