// The loops behind the 4-bit kernels, compiled once for each instruction set; internal linkage, as
// in core/kernels/lanes.h. Every element's arithmetic is one product and exact comparisons, so all
// versions have the bits of the reference.
#pragma once

#include "core/kernels/fourbit_isa.h"
#include "core/kernels/fourbit_past.h"
#include "core/kernels/lanes.h"

namespace lethe::kernels {
namespace {

constexpr int64_t kGroup = 32;  ///< elements quantised at a time: 16 bytes
constexpr int kGroupVectors = kGroup / kLaneCount;

/// A format's thresholds as a binary tree, level by level, and its codes by rank as a byte table.
struct RankTree {
  explicit RankTree(const FourBitTable& table)
      : root(all(table.threshold[7])),
        second(level(table, 3, 8)),
        third(level(table, 1, 4)),
        fourth(level(table, 0, 2)),
        codes(_mm256_broadcastsi128_si256(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(table.code)))) {}

  static Table8 level(const FourBitTable& table, int first, int step) {
    float values[8] = {};
    for (int i = 0; first + i * step < 15; ++i) values[i] = table.threshold[first + i * step];
    return Table8(values);
  }

  /// How many thresholds lie below each lane.
  Ints rank(Floats x) const {
    Ints found = minus(all(0), above(x, root));
    found = minus(plus(found, found), above(x, second.at(found)));
    found = minus(plus(found, found), above(x, third.at(found)));
    return minus(plus(found, found), above(x, fourth.at(found)));
  }

  Floats root;
  Table8 second, third, fourth;
  __m256i codes;
};

inline float most_of(const float* x, int64_t n) {
  Floats lanes = all(0.0F);
  int64_t i = 0;
  for (; i + kLaneCount <= n; i += kLaneCount) lanes = larger(lanes, magnitude(load(x + i)));
  float most = largest(lanes);
  for (; i < n; ++i) {
    const float size = x[i] < 0 ? -x[i] : x[i];
    if (size > most) most = size;
  }
  return most;
}

inline void pack_group(const RankTree& tree, const float* x, Floats reciprocal, uint8_t* packed) {
  Ints ranks[kGroupVectors];
  for (int v = 0; v < kGroupVectors; ++v) {
    ranks[v] = tree.rank(times(load(x + v * kLaneCount), reciprocal));
  }
  const __m256i codes = _mm256_shuffle_epi8(tree.codes, bytes_of(ranks));
  const __m256i pairs = _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x0110));  // 16 even + odd
  const __m256i packs = _mm256_permute4x64_epi64(_mm256_packus_epi16(pairs, pairs), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(packed), _mm256_castsi256_si128(packs));
}

inline int code_of(const FourBitTable& table, float scaled) {
  int rank = 0;
  for (int i = 0; i < 15; ++i) rank += scaled > table.threshold[i];
  return table.code[rank];
}

void quantize(const FourBitTable& table, const float* x, int64_t n, int64_t block, uint8_t* packed,
              float* absmax) {
  const RankTree tree(table);
  for (int64_t start = 0; start < n; start += block) {
    const int64_t length = n - start < block ? n - start : block;
    const float* values = x + start;
    uint8_t* out = packed + start / 2;
    const float most = most_of(values, length);
    absmax[start / block] = most;
    const float reciprocal = finite_reciprocal(most);
    int64_t i = 0;
    for (; i + kGroup <= length; i += kGroup) {
      pack_group(tree, values + i, all(reciprocal), out + i / 2);
    }
    for (; i < length; i += 2) {
      const int high = code_of(table, values[i] * reciprocal);
      const int low = i + 1 < length ? code_of(table, values[i + 1] * reciprocal) : table.code[7];
      out[i / 2] = static_cast<uint8_t>(high << 4 | low);
    }
  }
}

/// Elements of one block from the even index `begin` on.
template <bool kPast>
inline void dequantize_even(const float* table, const uint8_t* packed, float scale, int64_t n,
                            float* out) {
  const Table16 values(table, scale);
  int64_t i = 0;
  for (; i + kLaneCount <= n; i += kLaneCount) {
    const Floats found = values.at(packed + i / 2);
    kPast ? store_past(out + i, found) : store(out + i, found);
  }
  for (; i < n; ++i) {
    out[i] = table[i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15] * scale;
  }
}

template <bool kPast>
inline void dequantize_blocks(const float* table, const uint8_t* packed, const float* absmax,
                              int64_t begin, int64_t n, int64_t block, float* out) {
  const int64_t end = begin + n;
  for (int64_t at = begin; at < end;) {
    const int64_t next = (at / block + 1) * block;
    const int64_t stop = next < end ? next : end;
    const float scale = absmax[at / block];
    if (at % 2 == 1) {
      out[at - begin] = table[packed[at / 2] & 15] * scale;
      ++at;
    }
    dequantize_even<kPast>(table, packed + at / 2, scale, stop - at, out + (at - begin));
    at = stop;
  }
}

void dequantize(const float* table, const uint8_t* packed, const float* absmax, int64_t begin,
                int64_t n, int64_t block, float* out) {
  const bool aligned = begin % 4 == 0 && reinterpret_cast<uintptr_t>(out) % 16 == 0;
  if (n < kPastCaches || !aligned) {
    dequantize_blocks<false>(table, packed, absmax, begin, n, block, out);
    return;
  }
  dequantize_blocks<true>(table, packed, absmax, begin, n, block, out);
  _mm_sfence();
}

}  // namespace
}  // namespace lethe::kernels
