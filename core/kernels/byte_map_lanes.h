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

/// Every `step`th of the seven edges from the `first` on.
inline Table8 edge_table(const ByteLines& lines, int first, int step) {
  float values[8] = {};
  for (int i = 0; first + i * step < 7; ++i) values[i] = lines.edge[first + i * step];
  return Table8(values);
}

inline Table8 bit_table(const int32_t* numbers) {
  float values[8];
  std::memcpy(values, numbers, sizeof values);
  return Table8(values);
}

/// ByteLines in registers.
struct LineLanes {
  explicit LineLanes(const ByteLines& lines)
      : zero(all(lines.zero)),
        root(all(lines.edge[3])),
        second(edge_table(lines, 1, 4)),
        third(edge_table(lines, 0, 2)),
        scale(lines.scale),
        offset(lines.offset),
        top(bit_table(lines.top)),
        code_of_zero(all(lines.code_of_zero)) {}

  /// Codes of x, two registers in step so that one works while the other waits; a lane's bit in
  /// the result is set where it is to be looked up.
  uint32_t codes(const Floats (&x)[2], Ints (&code)[2]) const {
    Ints sign[2], range[2];
    Floats size[2], place[2];
    for (int v = 0; v < 2; ++v) {
      sign[v] = moved_down<31>(bits_of(x[v]));
      // A tie goes to the lower code: below 0 that is the greater magnitude, hence the next float.
      size[v] = floats_of(minus(common(bits_of(x[v]), all(0x7fffffff)), sign[v]));
    }
    for (int v = 0; v < 2; ++v) range[v] = minus(all(0), above(size[v], root));
    for (const Table8* edge : {&second, &third}) {
      for (int v = 0; v < 2; ++v) {
        range[v] = minus(plus(range[v], range[v]), above(size[v], edge->at(range[v])));
      }
    }
    for (int v = 0; v < 2; ++v) {
      place[v] = fused(size[v], scale.at(range[v]), offset.at(range[v]));
    }
    uint32_t doubtful = 0;
    for (int v = 0; v < 2; ++v) {
      Ints number = whole_part(place[v]);
      const Floats from_half = minus(minus(place[v], converted(number)), all(0.5F));
      doubtful |= lanes_above(magnitude(from_half), all(0.5F - kLineDoubt)) << (v * kLaneCount);
      number = common(smaller(number, bits_of(top.at(range[v]))), above(size[v], zero));
      const Ints signed_number = minus(different(number, sign[v]), sign[v]);
      code[v] = larger(plus(code_of_zero, signed_number), all(0));
    }
    return doubtful;
  }

  Floats zero, root;
  Table8 second, third, scale, offset, top;
  Ints code_of_zero;
};

/// Largest |x| in the order of the floats' bits: NaN lies above all.
inline float most_by_bits(const float* x, int64_t n) {
  const Ints without_sign = all(0x7fffffff);
  Ints lanes = all(0);
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
    Ints found[kByteVectors];
    uint32_t doubtful = 0;
    for (int v = 0; v < kByteVectors; v += 2) {
      const float* from = x + i + v * kLaneCount;
      const Floats scaled[2] = {times(load(from), all(reciprocal)),
                                times(load(from + kLaneCount), all(reciprocal))};
      Ints two[2];
      doubtful |= lines.codes(scaled, two) << (v * kLaneCount);
      found[v] = two[0];
      found[v + 1] = two[1];
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i), bytes_of(found));
    for (; doubtful != 0; doubtful &= doubtful - 1) {
      const int64_t at = i + __builtin_ctz(doubtful);
      codes[at] = nearest_code(map, x[at] * reciprocal);
    }
  }
  for (; i < n; ++i) codes[i] = nearest_code(map, x[i] * reciprocal);
}

}  // namespace
}  // namespace lethe::kernels
