#include "core/kernels/tile_product.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/kernels/blockwise8.h"
#include "core/kernels/isa.h"
#include "core/kernels/tile_isa.h"

namespace lethe::kernels {

namespace {

/// A cache line at a time, into the second-level cache.
void prefetch_bytes(const void* from, int64_t bytes) {
  const auto* at = static_cast<const uint8_t*>(from);
  for (int64_t i = 0; i < bytes + 63; i += 64) __builtin_prefetch(at + i, 0, 2);
}

}  // namespace

TiledWeight::~TiledWeight() = default;

void DenseTiles::read(int64_t row, int64_t column, int64_t n, float* out) const {
  std::memcpy(out, values_ + row * columns() + column, static_cast<size_t>(n) * sizeof(float));
}

void DenseTiles::fetch(int64_t row, int64_t column, int64_t n) const {
  prefetch_bytes(values_ + row * columns() + column, n * 4);
}

void Bf16Tiles::read(int64_t row, int64_t column, int64_t n, float* out) const {
  const uint16_t* from = values_ + row * columns() + column;
  for (int64_t i = 0; i < n; ++i)
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i]) << 16);
}

void Bf16Tiles::fetch(int64_t row, int64_t column, int64_t n) const {
  prefetch_bytes(values_ + row * columns() + column, n * 2);
}

void FourBitTiles::fetch(int64_t row, int64_t column, int64_t n) const {
  prefetch_bytes(packed_ + (row * columns() + column) / 2, n / 2);
}

void FourBitTiles::read(int64_t row, int64_t column, int64_t n, float* out) const {
  const int64_t begin = row * columns() + column;
  if (absmax_ != nullptr) {
    dequantize_4bit_part(format_, packed_, absmax_, begin, n, block_, out);
    return;
  }
  // A few blocks at a time, their scales recovered beside them.
  constexpr int64_t kScales = 16;
  float scales[kScales];
  for (int64_t at = begin; at < begin + n;) {
    const int64_t first = at / block_;
    const int64_t stop = std::min(begin + n, (first + kScales) * block_);
    const int64_t blocks = (stop - 1) / block_ - first + 1;
    dequantize_scales(*nested_.map, nested_.codes, nested_.absmax, nested_.offset, first, blocks,
                      nested_.block, scales);
    const int64_t skipped = first * block_;  // a multiple of 32: whole bytes
    dequantize_4bit_part(format_, packed_ + skipped / 2, scales, at - skipped, stop - at, block_,
                         out + (at - begin));
    at = stop;
  }
}

void Int8Tiles::fetch(int64_t row, int64_t column, int64_t n) const {
  prefetch_bytes(w_.codes + row * w_.columns + column, n);
}

void Int8Tiles::read(int64_t row, int64_t column, int64_t n, float* out) const {
  dequantize_row_int8(w_.codes + row * w_.columns + column, w_.absmax[row], n, out);
}

namespace {

/// Tokens of one pass: equal shares, so that no pass makes tiles for a few tokens alone.
int64_t tokens_of_pass(int64_t tokens) {
  const int64_t passes = (tokens + kTokens - 1) / kTokens;
  return passes == 0 ? 0 : rounded_up((tokens + passes - 1) / passes, 3 * kPanel);
}

}  // namespace

int64_t tile_scratch(int64_t tokens, const TiledWeight& w) {
  const int64_t held = tokens_of_pass(tokens);
  const int64_t depth = rounded_up(std::max(w.rows(), w.columns()), kDepth);
  return held * depth + kBackStrip * kDepth + kBackStrip * held + kDepth;
}

void multiply(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
              float* scratch, float* y) {
  const auto run = use_avx512() ? multiply_avx512 : multiply_avx2;
  const int64_t pass = tokens_of_pass(tokens);
  for (int64_t t = 0; t < tokens; t += pass) {
    run(x + t * w.columns(), std::min(pass, tokens - t), w, bias, scratch, y + t * w.rows());
  }
}

void multiply_back(const float* gy, int64_t tokens, const TiledWeight& w, float* scratch,
                   float* gx) {
  const auto run = use_avx512() ? multiply_back_avx512 : multiply_back_avx2;
  const int64_t pass = tokens_of_pass(tokens);
  for (int64_t t = 0; t < tokens; t += pass) {
    run(gy + t * w.rows(), std::min(pass, tokens - t), w, scratch, gx + t * w.columns());
  }
}

void multiply_reference(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                        float* y) {
  std::vector<float> row(static_cast<size_t>(w.columns()));
  for (int64_t n = 0; n < w.rows(); ++n) {
    w.read(n, 0, w.columns(), row.data());
    for (int64_t t = 0; t < tokens; ++t) {
      float sum = 0;
      for (int64_t k = 0; k < w.columns(); ++k) {
        sum = std::fma(row[static_cast<size_t>(k)], x[t * w.columns() + k], sum);
      }
      y[t * w.rows() + n] = bias == nullptr ? sum : sum + bias[n];
    }
  }
}

void multiply_back_reference(const float* gy, int64_t tokens, const TiledWeight& w, float* gx) {
  std::vector<float> row(static_cast<size_t>(w.columns()));
  std::fill_n(gx, tokens * w.columns(), 0.0f);
  for (int64_t n = 0; n < w.rows(); ++n) {
    w.read(n, 0, w.columns(), row.data());
    for (int64_t t = 0; t < tokens; ++t) {
      const float g = gy[t * w.rows() + n];
      float* out = gx + t * w.columns();
      for (int64_t k = 0; k < w.columns(); ++k) {
        out[k] = std::fma(g, row[static_cast<size_t>(k)], out[k]);
      }
    }
  }
}

}  // namespace lethe::kernels
