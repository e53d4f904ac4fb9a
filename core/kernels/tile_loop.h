// The loops behind the tile products, compiled once for each instruction set; internal linkage, as
// in core/kernels/lanes.h. Both share the inner loop of core/kernels/tile_inner.h.
#pragma once

#include "core/kernels/tile_inner.h"
#include "core/kernels/tile_strip.h"

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

/// Asks for a share of the tile that comes after that at (row, k), so that it is there in time:
/// what lies between part and part + kRegisterRows of parts.
inline void fetch_share(const TiledWeight& w, int64_t row, int64_t k, int64_t part, int64_t parts) {
  const bool in_row = k + kDepth < w.columns();
  const int64_t next_row = in_row ? row : row + kStrip, next = in_row ? k + kDepth : 0;
  const int64_t rows = lesser(kStrip, w.rows() - next_row);
  for (int64_t r = rows * part / parts; r < rows * (part + kRegisterRows) / parts; ++r) {
    w.fetch(next_row + r, next, lesser(kDepth, w.columns() - next));
  }
}

inline void run_multiply(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                         float* scratch, float* y) {
  const int64_t held = rounded_up(tokens, kPanel), panels = held / kPanel;
  float* packed = scratch;
  float* tile = packed + held * rounded_up(w.columns(), kDepth);
  float* sums = tile + kStrip * kPitch;
  pack_tokens(x, tokens, w.columns(), packed);
  std::memset(tile, 0, kStrip * kPitch * sizeof(float));
  for (int64_t row = 0; row < w.rows(); row += kStrip) {
    const int64_t rows = lesser(kStrip, w.rows() - row);
    std::memset(sums, 0, static_cast<size_t>(kStrip * held) * sizeof(float));
    for (int64_t k = 0; k < w.columns(); k += kDepth) {
      const int64_t depth = lesser(kDepth, w.columns() - k);
      for (int64_t r = 0; r < rows; ++r) w.read(row + r, k, depth, tile + r * kPitch);
      for (int64_t p = 0; p < panels; ++p) {
        const float* panel = packed + (k * panels + p * kDepth) * kPanel;
        for (int64_t r = 0; r < rows; r += kRegisterRows) {
          fetch_share(w, row, k, p * kStrip + r, panels * kStrip);
          add_products(depth, tile + r * kPitch, kPitch, 1, panel, sums + r * held + p * kPanel,
                       held);
        }
      }
    }
    write_strip(sums, held, rows, tokens, bias == nullptr ? nullptr : bias + row, y + row,
                w.rows());
  }
}

/// gy as blocks of kDepth columns and in them groups of tokens: packed[block][group][k][token],
/// zeros for tokens that are not there.
inline void pack_gradients(const float* gy, int64_t tokens, int64_t held, int64_t columns,
                           float* packed) {
  for (int64_t k0 = 0; k0 < columns; k0 += kDepth) {
    const int64_t depth = lesser(kDepth, columns - k0);
    for (int64_t t = 0; t < held; ++t) {
      const int64_t lane = t % kRegisterRows;
      float* out = packed + k0 * held + (t - lane) * kDepth + lane;
      const float* row = gy + t * columns + k0;
      for (int64_t k = 0; k < depth; ++k) out[k * kRegisterRows] = t < tokens ? row[k] : 0.0F;
    }
  }
}

/// The same for the gradient's tiles, whose rows are the depth.
inline void fetch_back_share(const TiledWeight& w, int64_t row, int64_t column, int64_t part,
                             int64_t parts) {
  const bool below = row + kDepth < w.rows();
  const int64_t next_row = below ? row + kDepth : 0, next = below ? column : column + kBackStrip;
  const int64_t rows = next < w.columns() ? lesser(kDepth, w.rows() - next_row) : 0;
  for (int64_t r = rows * part / parts; r < rows * (part + kRegisterRows) / parts; ++r) {
    w.fetch(next_row + r, next, lesser(kBackStrip, w.columns() - next));
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
          fetch_back_share(w, row, column, p * held + t,
                           rounded_up(columns, kPanel) / kPanel * held);
          add_products(rows, packed + row * held + t * kDepth, 1, kRegisterRows,
                       tile + p * kDepth * kPanel, sums + t * kBackStrip + p * kPanel, kBackStrip);
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
