// The loops behind the products with sparse inputs, compiled once for each instruction set;
// internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/lanes.h"
#include "core/kernels/prefetch.h"
#include "core/kernels/sparse_lists.h"

namespace lethe::kernels {
namespace {

/// tile[column * kSparseStrip + output] = w[output * stride + column]; zeros for outputs that are
/// not there.
inline void transpose_weight(const float* w, int64_t stride, int64_t outputs, int64_t columns,
                             float* tile) {
  const int64_t whole_outputs = outputs / 8 * 8, whole_columns = columns / 8 * 8;
  for (int64_t o = 0; o < whole_outputs; o += 8) {
    for (int64_t c = 0; c < whole_columns; c += 8) {
      __m256 turned[8];
      transposed8(w + o * stride + c, stride, turned);
      for (int i = 0; i < 8; ++i) _mm256_storeu_ps(tile + (c + i) * kSparseStrip + o, turned[i]);
    }
    for (int64_t c = whole_columns; c < columns; ++c) {
      for (int64_t i = o; i < o + 8; ++i) tile[c * kSparseStrip + i] = w[i * stride + c];
    }
  }
  for (int64_t o = whole_outputs; o < kSparseStrip; ++o) {
    for (int64_t c = 0; c < columns; ++c) {
      tile[c * kSparseStrip + o] = o < outputs ? w[o * stride + c] : 0.0F;
    }
  }
}

/// sums += value * table[at] over the entries from begin to end; sums and a row of the table have
/// kSparseStrip values.
inline void add_entries(const SparseScratch& scratch, int32_t begin, int32_t end,
                        const float* table, float* sums) {
  if (begin == end) return;
  constexpr int kRegisters = static_cast<int>(kSparseStrip) / kLaneCount;
  Floats sum[kRegisters];
  for (int k = 0; k < kRegisters; ++k) sum[k] = load(sums + k * kLaneCount);
  for (int32_t i = begin; i < end; ++i) {
    const Floats value = all(scratch.value[i]);
    const float* from = table + scratch.at[i] * kSparseStrip;
    for (int k = 0; k < kRegisters; ++k) sum[k] = fused(value, load(from + k * kLaneCount), sum[k]);
  }
  for (int k = 0; k < kRegisters; ++k) store(sums + k * kLaneCount, sum[k]);
}

inline void run_sparse_multiply(const float* x, int64_t rows, int64_t columns, const float* w,
                                int64_t outputs, const float* bias, const SparseScratch& scratch,
                                float* y) {
  list_by_row(x, rows, columns, scratch);
  alignas(64) float tile[kSparseColumns * kSparseStrip];
  for (int64_t o = 0; o < outputs; o += kSparseStrip) {
    const int64_t held = lesser(kSparseStrip, outputs - o);
    for (int64_t r = 0; r < rows; ++r) {
      float* row = scratch.sums + r * kSparseStrip;
      for (int64_t i = 0; i < kSparseStrip; ++i) row[i] = bias && i < held ? bias[o + i] : 0.0F;
    }
    const int32_t* begin = scratch.begin;
    for (int64_t c = 0; c < columns; c += kSparseColumns) {
      transpose_weight(w + o * columns + c, columns, held, lesser(kSparseColumns, columns - c),
                       tile);
      const float* next = w + o * columns + c + kSparseColumns;  // prefetched as the rows go by
      for (int64_t r = 0; r < rows; ++r, ++begin) {
        if (r < held) prefetch(next + r * columns, kSparseColumns);
        add_entries(scratch, begin[0], begin[1], tile, scratch.sums + r * kSparseStrip);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(y + r * outputs + o, scratch.sums + r * kSparseStrip,
                  static_cast<size_t>(held) * sizeof(float));
    }
  }
}

/// gw[output * stride + column] += sums[column * kSparseStrip + output], `columns` (at most 8)
/// columns.
inline void add_transposed(const float* sums, int64_t outputs, int64_t columns, float* gw,
                           int64_t stride) {
  int64_t o = 0;
  for (; columns == 8 && o + 8 <= outputs; o += 8) {
    __m256 turned[8];
    transposed8(sums + o, kSparseStrip, turned);
    for (int i = 0; i < 8; ++i) {
      float* to = gw + (o + i) * stride;
      _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), turned[i]));
    }
  }
  for (; o < outputs; ++o) {
    for (int64_t c = 0; c < columns; ++c) gw[o * stride + c] += sums[c * kSparseStrip + o];
  }
}

inline void run_add_sparse_outer(const float* x, int64_t rows, int64_t columns, const float* gy,
                                 int64_t outputs, const SparseScratch& scratch, float* gw) {
  list_by_column(x, rows, columns, scratch);
  alignas(64) float strip[kOuterRows * kSparseStrip], sums[8 * kSparseStrip];
  std::memset(strip, 0, sizeof strip);
  for (int64_t o = 0; o < outputs; o += kSparseStrip) {
    const int64_t held = lesser(kSparseStrip, outputs - o);
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(strip + r * kSparseStrip, gy + r * outputs + o,
                  static_cast<size_t>(held) * sizeof(float));
    }
    for (int64_t c = 0; c < columns; c += 8) {
      const int64_t group = lesser(8, columns - c);
      const int32_t* begin = scratch.begin + c;
      if (begin[0] == begin[group]) continue;
      std::memset(sums, 0, sizeof sums);
      float* to = gw + o * columns + c;
      for (int64_t i = 0; i < held; ++i) __builtin_prefetch(to + i * columns, 1);
      for (int64_t i = 0; i < group; ++i) {
        add_entries(scratch, begin[i], begin[i + 1], strip, sums + i * kSparseStrip);
      }
      add_transposed(sums, held, group, to, columns);
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
