// The loops behind the dense products, compiled once for each instruction set; internal linkage, as
// in core/kernels/lanes.h.
#pragma once

#include "core/kernels/matrix_pack.h"
#include "core/kernels/outer.h"

namespace lethe::kernels {
namespace {

constexpr int kTileRows = kPanelVectors == 1 ? 12 : 6;  ///< that registers hold beside a panel

/// c (kRows, kVectors registers) = or += a (kRows, depth) and a panel.
template <int kRows, int kVectors>
void add_tile(int64_t depth, const MatrixView& a, const float* panel, float* c, int64_t c_row,
              bool add) {
  Floats sum[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = add ? load(c + r * c_row + v * kLaneCount) : all(0.0F);
    }
  }
  add_outer(depth, a.data, a.row, a.step, panel, kVectors * kLaneCount, sum);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(c + r * c_row + v * kLaneCount, sum[r][v]);
  }
}

/// The same for so many rows.
template <int kVectors, int kRows = kTileRows>
void add_rows(int64_t rows, int64_t depth, const MatrixView& a, const float* panel, float* c,
              int64_t c_row, bool add) {
  if (rows == kRows) return add_tile<kRows, kVectors>(depth, a, panel, c, c_row, add);
  if constexpr (kRows > 1) add_rows<kVectors, kRows - 1>(rows, depth, a, panel, c, c_row, add);
}

/// The same for `width` columns, of which a panel may have more.
inline void add_block(int64_t rows, int64_t width, int64_t depth, const MatrixView& a,
                      const float* panel, float* c, int64_t c_row, bool add) {
  const bool narrow = panel_width(width) == kLaneCount && kPanelVectors > 1;
  const int64_t held = narrow ? kLaneCount : kProductPanel;
  float edge[kTileRows * kProductPanel];
  float* const to = width == held ? c : edge;
  const int64_t to_row = width == held ? c_row : held;
  for (int64_t r = 0; to == edge && add && r < rows; ++r) {
    for (int64_t j = 0; j < held; ++j) edge[r * held + j] = j < width ? c[r * c_row + j] : 0.0F;
  }
  if (narrow) {
    add_rows<1>(rows, depth, a, panel, to, to_row, add);
  } else {
    add_rows<kPanelVectors>(rows, depth, a, panel, to, to_row, add);
  }
  for (int64_t r = 0; to == edge && r < rows; ++r) {
    for (int64_t j = 0; j < width; ++j) c[r * c_row + j] = edge[r * held + j];
  }
}

/// Some rows of a times what is packed of b.
inline void add_strip(int64_t rows, int64_t columns, int64_t depth, const MatrixView& a,
                      const float* right, float* c, int64_t c_row, bool add) {
  for (int64_t n = 0; n < columns; n += kProductPanel) {
    const float* const panel = right + n / kProductPanel * panel_size(depth);
    for (int64_t m = 0; m < rows; m += kTileRows) {
      add_block(lesser(kTileRows, rows - m), lesser(kProductPanel, columns - n), depth,
                {a.data + m * a.row, a.row, a.step}, panel, c + m * c_row + n, c_row, add);
    }
  }
}

inline void add_bias(const float* bias, int64_t rows, int64_t columns, float* c, int64_t c_row) {
  for (int64_t m = 0; m < rows; ++m) {
    for (int64_t n = 0; n < columns; ++n) c[m * c_row + n] += bias[n];
  }
}

inline void run_matrix_product(const MatrixProduct& p, float* scratch) {
  for (int64_t n = 0; n < p.columns; n += kProductColumns) {
    const int64_t columns = lesser(kProductColumns, p.columns - n);
    for (int64_t k = 0; k == 0 || k < p.depth; k += kProductDepth) {
      const int64_t depth = lesser(kProductDepth, p.depth - k);
      pack_right({p.b.data + k * p.b.row + n * p.b.step, p.b.row, p.b.step}, depth, columns,
                 scratch);
      const bool last = k + depth >= p.depth && p.bias != nullptr;
      for (int64_t m = 0; m < p.rows; m += kProductRows) {
        const int64_t rows = lesser(kProductRows, p.rows - m);
        float* const c = p.out + m * p.out_row + n;
        const MatrixView a = {p.a.data + m * p.a.row + k * p.a.step, p.a.row, p.a.step};
        add_strip(rows, columns, depth, a, scratch, c, p.out_row, p.add || k > 0);
        if (last) add_bias(p.bias + n, rows, columns, c, p.out_row);
      }
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
