// The loop behind the int8 product, compiled once for each instruction set; internal linkage, as in
// core/kernels/lanes.h. Codes are widened to 16 bits a tile at a time; neighbouring products are
// added in pairs, which is exact.
#pragma once

#include "core/kernels/int8_isa.h"
#include "core/kernels/lanes.h"
#include "core/kernels/tile_strip.h"

namespace lethe::kernels {
namespace {

constexpr int kInt8Vectors = static_cast<int>(kInt8Panel) / kLaneCount;
constexpr int kInt8Rows = kInt8Vectors == 1 ? 12 : 6;  ///< 16 registers hold no more
constexpr int kWidened = 2 * kLaneCount;               ///< 16-bit integers of a register

/// sum += x in the sum's register; left to itself GCC adds into x's and copies it back each time.
inline void add_in_place(Ints& sum, Ints x) { asm("vpaddd %1, %0, %0" : "+v"(sum) : "v"(x)); }

/// c[r][j] += sum over `pairs` pairs of a's row r (stride kInt8Pitch) and b[pair][j][2].
[[gnu::noinline]] void add_pair_products(int64_t pairs, const int16_t* a, const int16_t* b,
                                         int32_t* c, int64_t stride) {
  Ints sum[kInt8Rows][kInt8Vectors];
#pragma GCC unroll 12
  for (int r = 0; r < kInt8Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kInt8Vectors; ++v) sum[r][v] = load(c + r * stride + v * kLaneCount);
  }
  for (int64_t k = 0; k < pairs; ++k) {
    Ints right[kInt8Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < kInt8Vectors; ++v) {
      std::memcpy(&right[v], b + (k * kInt8Panel + v * kLaneCount) * 2, sizeof right[v]);
    }
#pragma GCC unroll 12
    for (int r = 0; r < kInt8Rows; ++r) {
      int32_t pair;
      std::memcpy(&pair, a + r * kInt8Pitch + 2 * k, sizeof pair);
      const Ints left = all(pair);
#pragma GCC unroll 2
      for (int v = 0; v < kInt8Vectors; ++v) {
        add_in_place(sum[r][v], pair_products(left, right[v]));
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kInt8Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kInt8Vectors; ++v) store(c + r * stride + v * kLaneCount, sum[r][v]);
  }
}

inline int64_t not_above(int64_t n, int64_t most) { return n < most ? n : most; }

/// n codes as 16-bit integers, a zero behind an odd n.
inline void widen(const int8_t* codes, int64_t n, int16_t* out) {
  int64_t i = 0;
  for (; i + kWidened <= n; i += kWidened) {
    const Ints wide = widened(codes + i);
    std::memcpy(out + i, &wide, sizeof wide);
  }
  for (; i < n; ++i) out[i] = codes[i];
  if (n % 2 == 1) out[n] = 0;
}

/// Tokens as panels of 16 in pairs of columns: packed[block of kInt8Depth][panel][pair][token][2].
inline void pack_pairs(const int8_t* x, int64_t tokens, int64_t columns, int16_t* packed) {
  const int64_t panels = (tokens + kInt8Panel - 1) / kInt8Panel;
  for (int64_t k0 = 0; k0 < columns; k0 += kInt8Depth) {
    const int64_t depth = not_above(kInt8Depth, columns - k0);
    for (int64_t token = 0; token < tokens; ++token) {
      int16_t line[kInt8Depth];
      widen(x + token * columns + k0, depth, line);
      const int64_t panel = token / kInt8Panel, lane = token % kInt8Panel;
      int16_t* out = packed + (k0 * panels + panel * kInt8Depth) * kInt8Panel + 2 * lane;
      for (int64_t k = 0; k < depth; k += 2) {
        std::memcpy(out + k * kInt8Panel, line + k, 2 * sizeof *line);
      }
    }
  }
}

/// Asks for a share of the codes of the tile that comes after that at (row, k).
inline void fetch_share(const Int8Matrix& w, int64_t row, int64_t k, int64_t part, int64_t parts) {
  const bool in_row = k + kInt8Depth < w.columns;
  const int64_t next_row = in_row ? row : row + kInt8Strip, next = in_row ? k + kInt8Depth : 0;
  const int64_t rows = not_above(kInt8Strip, w.rows - next_row);
  const int64_t depth = not_above(kInt8Depth, w.columns - next);
  for (int64_t r = rows * part / parts; r < rows * (part + 1) / parts; ++r) {
    const int8_t* codes = w.codes + (next_row + r) * w.columns + next;
    for (int64_t i = 0; i < depth; i += 64) __builtin_prefetch(codes + i, 0, 2);
  }
}

inline void run_multiply_int8(const int8_t* x, int64_t tokens, const Int8Matrix& w,
                              const Int8Scratch& scratch, int32_t* out) {
  const int64_t panels = (tokens + kInt8Panel - 1) / kInt8Panel, held = panels * kInt8Panel;
  int16_t* tile = scratch.tile;
  int32_t* sums = scratch.sums;
  pack_pairs(x, tokens, w.columns, scratch.packed);
  for (int64_t row = 0; row < w.rows; row += kInt8Strip) {
    const int64_t rows = not_above(kInt8Strip, w.rows - row);
    std::memset(sums, 0, static_cast<size_t>(kInt8Strip * held) * sizeof(int32_t));
    for (int64_t k = 0; k < w.columns; k += kInt8Depth) {
      const int64_t depth = not_above(kInt8Depth, w.columns - k);
      for (int64_t r = 0; r < rows; ++r) {
        widen(w.codes + (row + r) * w.columns + k, depth, tile + r * kInt8Pitch);
      }
      for (int64_t p = 0; p < panels; ++p) {
        fetch_share(w, row, k, p, panels);
        const int16_t* panel = scratch.packed + (k * panels + p * kInt8Depth) * kInt8Panel;
        for (int64_t r = 0; r < rows; r += kInt8Rows) {
          add_pair_products((depth + 1) / 2, tile + r * kInt8Pitch, panel,
                            sums + r * held + p * kInt8Panel, held);
        }
      }
    }
    write_strip(reinterpret_cast<const float*>(sums), held, rows, tokens, nullptr,
                reinterpret_cast<float*>(out + row), w.rows);
  }
}

}  // namespace
}  // namespace lethe::kernels
