// The loops behind the tile products, compiled once for each instruction set; internal linkage, as
// in core/kernels/lanes.h. Both share the inner loop of core/kernels/tile_inner.h.
#pragma once

#include "core/kernels/tile_inner.h"

namespace lethe::kernels {
namespace {

/// Panels of 16 tokens: packed[panel][k][token], zeros for tokens that are not there. One kDepth of
/// columns after the other.
inline void pack_tokens(const float* x, int64_t tokens, int64_t columns, float* packed) {
  const int64_t panels = rounded_up(tokens, kPanel) / kPanel;
  for (int64_t k0 = 0; k0 < columns; k0 += kDepth) {
    const int64_t depth = lesser(kDepth, columns - k0);
    for (int64_t p = 0; p < panels; ++p) {
      float* out = packed + (k0 * panels + p * kDepth) * kPanel;
      for (int64_t t = 0; t < kPanel; ++t) {
        const int64_t token = p * kPanel + t;
        const float* row = x + token * columns + k0;
        for (int64_t k = 0; k < depth; ++k) out[k * kPanel + t] = token < tokens ? row[k] : 0.0F;
      }
    }
  }
}

inline void write_strip(const float* sums, int64_t stride, int64_t rows, int64_t tokens,
                        const float* bias, float* y, int64_t y_stride) {
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t r = 0; r < rows; ++r) {
      const float sum = sums[r * stride + t];
      y[t * y_stride + r] = bias == nullptr ? sum : sum + bias[r];
    }
  }
}

inline void run_multiply(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                         float* scratch, float* y) {
  const int64_t held = rounded_up(tokens, kPanel), panels = held / kPanel;
  float* packed = scratch;
  float* tile = packed + held * rounded_up(w.columns(), kDepth);
  float* sums = tile + kStrip * kDepth;
  pack_tokens(x, tokens, w.columns(), packed);
  std::memset(tile, 0, kStrip * kDepth * sizeof(float));
  for (int64_t row = 0; row < w.rows(); row += kStrip) {
    const int64_t rows = lesser(kStrip, w.rows() - row);
    std::memset(sums, 0, static_cast<size_t>(kStrip * held) * sizeof(float));
    for (int64_t k = 0; k < w.columns(); k += kDepth) {
      const int64_t depth = lesser(kDepth, w.columns() - k);
      for (int64_t r = 0; r < rows; ++r) w.read(row + r, k, depth, tile + r * kDepth);
      for (int64_t p = 0; p < panels; ++p) {
        const float* panel = packed + (k * panels + p * kDepth) * kPanel;
        for (int64_t r = 0; r < rows; r += kRegisterRows) {
          add_products(depth, tile + r * kDepth, panel, sums + r * held + p * kPanel, held);
        }
      }
    }
    write_strip(sums, held, rows, tokens, bias == nullptr ? nullptr : bias + row, y + row,
                w.rows());
  }
}

/// gy as blocks of kDepth columns: packed[block][token][kDepth], zeros for tokens that are not
/// there.
inline void pack_gradients(const float* gy, int64_t tokens, int64_t held, int64_t columns,
                           float* packed) {
  for (int64_t k = 0; k < columns; k += kDepth) {
    const auto bytes = static_cast<size_t>(lesser(kDepth, columns - k)) * sizeof(float);
    for (int64_t t = 0; t < held; ++t) {
      float* out = packed + k * held + t * kDepth;
      if (t < tokens) {
        std::memcpy(out, gy + t * columns + k, bytes);
      } else {
        std::memset(out, 0, bytes);
      }
    }
  }
}

/// W[row + r][column..column + kBackStrip) as panels: tile[panel][r][16].
inline void read_panels(const TiledWeight& w, int64_t row, int64_t rows, int64_t column,
                        int64_t columns, float* line, float* tile) {
  for (int64_t r = 0; r < rows; ++r) {
    w.read(row + r, column, columns, line);
    for (int64_t p = 0; p * kPanel < columns; ++p) {
      std::memcpy(tile + (p * kDepth + r) * kPanel, line + p * kPanel, kPanel * sizeof(float));
    }
  }
}

inline void run_multiply_back(const float* gy, int64_t tokens, const TiledWeight& w, float* scratch,
                              float* gx) {
  const int64_t held = rounded_up(tokens, kGroupRows);
  float* packed = scratch;
  float* tile = packed + held * rounded_up(w.rows(), kDepth);
  float* sums = tile + kBackStrip * kDepth;
  float* line = sums + kBackStrip * held;
  pack_gradients(gy, tokens, held, w.rows(), packed);
  std::memset(line, 0, kDepth * sizeof(float));
  for (int64_t column = 0; column < w.columns(); column += kBackStrip) {
    const int64_t columns = lesser(kBackStrip, w.columns() - column);
    std::memset(sums, 0, static_cast<size_t>(kBackStrip * held) * sizeof(float));
    for (int64_t row = 0; row < w.rows(); row += kDepth) {
      const int64_t rows = lesser(kDepth, w.rows() - row);
      read_panels(w, row, rows, column, columns, line, tile);
      for (int64_t p = 0; p * kPanel < columns; ++p) {
        for (int64_t t = 0; t < tokens; t += kRegisterRows) {
          add_products(rows, packed + row * held + t * kDepth, tile + p * kDepth * kPanel,
                       sums + t * kBackStrip + p * kPanel, kBackStrip);
        }
      }
    }
    for (int64_t t = 0; t < tokens; ++t) {
      std::memcpy(gx + t * w.columns() + column, sums + t * kBackStrip,
                  static_cast<size_t>(columns) * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
