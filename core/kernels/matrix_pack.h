// The copy of the right factor of a dense product, in the order in which its loops read it;
// internal linkage, as in core/kernels/lanes.h.
#pragma once

#include <cstring>

#include "core/kernels/counts.h"
#include "core/kernels/lanes.h"
#include "core/kernels/matrix_isa.h"
#include "core/kernels/transposed.h"

namespace lethe::kernels {
namespace {

constexpr int kPanelVectors = static_cast<int>(kProductPanel) / kLaneCount;

/// The columns of a panel that begins where so many are left: a register's, where those are enough.
constexpr int64_t panel_width(int64_t left) {
  return left <= kLaneCount ? kLaneCount : kProductPanel;
}

/// Floats from panel to panel of so deep a copy: a cache line more than it has, or all would begin
/// in the same few sets of the cache.
constexpr int64_t panel_size(int64_t depth) { return depth * kProductPanel + kProductPad; }

/// b (depth, columns), whose columns lie side by side, as whole panels, row by row.
inline void copy_panels(const MatrixView& b, int64_t depth, int64_t columns, float* out) {
  for (int64_t k = 0; k < depth; ++k) {
    const float* from = b.data + k * b.row;
    float* to = out + k * kProductPanel;
    for (int64_t n = 0; n < columns; n += kProductPanel, to += panel_size(depth)) {
      std::memcpy(to, from + n, kProductPanel * sizeof(float));
    }
  }
}

/// Any part of a panel, with zeros from `width` on.
inline void copy_panel(const MatrixView& b, int64_t depth, int64_t panel, int64_t width,
                       float* out) {
  for (int64_t k = 0; k < depth; ++k, out += panel) {
    const float* from = b.data + k * b.row;
    for (int64_t j = 0; j < panel; ++j) out[j] = j < width ? from[j * b.step] : 0.0F;
  }
}

/// The same of a whole panel where the depth lies side by side.
inline void turn_panel(const MatrixView& b, int64_t depth, int64_t panel, float* out) {
  const int64_t whole = depth / 8 * 8;
  for (int64_t j = 0; j < panel; j += 8) {
    for (int64_t k = 0; k < whole; k += 8) {
      __m256 lines[8];
      transposed8(b.data + j * b.step + k, b.step, lines);
      for (int i = 0; i < 8; ++i) _mm256_storeu_ps(out + (k + i) * panel + j, lines[i]);
    }
  }
  for (int64_t k = whole; k < depth; ++k) {
    for (int64_t j = 0; j < panel; ++j) out[k * panel + j] = b.data[k + j * b.step];
  }
}

/// b (depth, columns) as panels of columns, zeros for columns that are not there.
inline void pack_right(const MatrixView& b, int64_t depth, int64_t columns, float* out) {
  const int64_t whole = b.step == 1 ? columns / kProductPanel * kProductPanel : 0;
  copy_panels(b, depth, whole, out);
  for (int64_t n = whole; n < columns; n += kProductPanel) {
    const int64_t panel = panel_width(columns - n), width = lesser(panel, columns - n);
    const MatrixView part = {b.data + n * b.step, b.row, b.step};
    float* const to = out + n / kProductPanel * panel_size(depth);
    if (b.row == 1 && width == panel) {
      turn_panel(part, depth, panel, to);
    } else {
      copy_panel(part, depth, panel, width, to);
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
