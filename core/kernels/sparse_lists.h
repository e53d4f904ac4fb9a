// Lists of the nonzeros of a matrix, by row and by column, compiled once for each instruction set;
// internal linkage, as in core/kernels/lanes.h.
#pragma once

#include <immintrin.h>

#include "core/kernels/counts.h"
#include "core/kernels/sparse_isa.h"
#include "core/kernels/transposed.h"

namespace lethe::kernels {
namespace {

/// For every mask of 8 lanes the lanes that it names, in order.
struct LaneOrders {
  constexpr LaneOrders() {
    for (int mask = 0; mask < 256; ++mask) {
      int count = 0;
      for (int lane = 0; lane < 8; ++lane) {
        if ((mask >> lane & 1) != 0) lanes[mask][count++] = static_cast<int8_t>(lane);
      }
    }
  }
  int8_t lanes[256][8] = {};
};
constexpr LaneOrders kLaneOrders;

/// Appends the nonzeros of x (n) and returns how many there are now. Writes up to 8 more.
inline int32_t append_nonzeros(const float* x, int32_t n, int32_t count,
                               const SparseScratch& scratch) {
  int32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 values = _mm256_loadu_ps(x + i);
    const int mask = _mm256_movemask_ps(_mm256_cmp_ps(values, _mm256_setzero_ps(), _CMP_NEQ_UQ));
    const __m256i lanes = _mm256_cvtepi8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kLaneOrders.lanes[mask])));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(scratch.at + count),
                        _mm256_add_epi32(lanes, _mm256_set1_epi32(i)));
    _mm256_storeu_ps(scratch.value + count, _mm256_permutevar8x32_ps(values, lanes));
    count += __builtin_popcount(static_cast<unsigned>(mask));
  }
  for (; i < n; ++i) {
    scratch.at[count] = i;
    scratch.value[count] = x[i];
    count += x[i] != 0 ? 1 : 0;
  }
  return count;
}

/// The nonzeros of x block by block of kSparseColumns columns, in a block row by row: those of a
/// block's row begin at begin[block * rows + row].
inline void list_by_row(const float* x, int64_t rows, int64_t columns,
                        const SparseScratch& scratch) {
  int32_t count = 0;
  int32_t* begin = scratch.begin;
  for (int64_t c = 0; c < columns; c += kSparseColumns) {
    const auto held = static_cast<int32_t>(lesser(kSparseColumns, columns - c));
    for (int64_t r = 0; r < rows; ++r) {
      *begin++ = count;
      count = append_nonzeros(x + r * columns + c, held, count, scratch);
    }
  }
  *begin = count;
}

/// The nonzeros of x column by column, in a column row by row: those of column c begin at begin[c].
inline void list_by_column(const float* x, int64_t rows, int64_t columns,
                           const SparseScratch& scratch) {
  int32_t count = 0;
  alignas(64) float turned[8][kOuterRows];
  for (int64_t c = 0; c < columns; c += 8) {
    const int64_t group = lesser(8, columns - c), whole = group == 8 ? rows / 8 * 8 : 0;
    for (int64_t r = 0; r < whole; r += 8) {
      __m256 part[8];
      transposed8(x + r * columns + c, columns, part);
      for (int i = 0; i < 8; ++i) _mm256_store_ps(turned[i] + r, part[i]);
    }
    for (int64_t r = whole; r < rows; ++r) {
      for (int64_t i = 0; i < group; ++i) turned[i][r] = x[r * columns + c + i];
    }
    for (int64_t i = 0; i < group; ++i) {
      scratch.begin[c + i] = count;
      count = append_nonzeros(turned[i], static_cast<int32_t>(rows), count, scratch);
    }
  }
  scratch.begin[columns] = count;
}

}  // namespace
}  // namespace lethe::kernels
