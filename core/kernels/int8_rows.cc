// The build adds -O3 -fno-math-errno -ffp-contract=off, as for the fused update: the loops become
// vectors.
#include "core/kernels/int8_rows.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/kernels/counts.h"
#include "core/kernels/int8_isa.h"
#include "core/kernels/isa.h"

namespace lethe::kernels {
namespace {

std::vector<int64_t> columns_of_outliers(const float* x, int64_t rows, int64_t columns,
                                         float threshold) {
  std::vector<uint8_t> is_outlier(static_cast<size_t>(columns));
  for (int64_t row = 0; row < rows; ++row) {
    const float* values = x + row * columns;
    uint8_t* found = is_outlier.data();
    for (int64_t k = 0; k < columns; ++k) {
      found[k] = static_cast<uint8_t>(found[k] | (std::fabs(values[k]) >= threshold ? 1 : 0));
    }
  }
  std::vector<int64_t> list;
  for (int64_t k = 0; k < columns; ++k) {
    if (is_outlier[static_cast<size_t>(k)] != 0) list.push_back(k);
  }
  return list;
}

/// Largest |x| of a row; with a threshold, of those below it.
float row_absmax(const float* x, int64_t n, float threshold) {
  int32_t most = 0;  // bits of non-negative floats are in the floats' order
  for (int64_t i = 0; i < n; ++i) {
    const float size = std::fabs(x[i]);
    const float counted = threshold > 0 && size >= threshold ? 0.0f : size;
    int32_t bits;
    __builtin_memcpy(&bits, &counted, sizeof bits);
    most = std::max(most, bits);
  }
  float value;
  __builtin_memcpy(&value, &most, sizeof value);
  return value;
}

void round_row(const float* x, int64_t n, float scale, int8_t* codes) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to integers, half to even
  for (int64_t i = 0; i < n; ++i) {
    const float within = std::min(std::max(x[i] * scale, -127.0f), 127.0f);
    codes[i] = static_cast<int8_t>(static_cast<int32_t>((within + kRound) - kRound));
  }
}

/// y += x[:, outliers] dequantised(W[:, outliers])^T.
void add_outliers(const float* x, int64_t tokens, const Int8Matrix& w,
                  const std::vector<int64_t>& outliers, float* y) {
  std::vector<float> column(static_cast<size_t>(w.rows));
  for (const int64_t k : outliers) {
    for (int64_t row = 0; row < w.rows; ++row) {
      column[static_cast<size_t>(row)] =
          static_cast<float>(w.codes[row * w.columns + k]) * (w.absmax[row] / 127.0f);
    }
    for (int64_t t = 0; t < tokens; ++t) {
      const float value = x[t * w.columns + k];
      float* out = y + t * w.rows;
      for (int64_t row = 0; row < w.rows; ++row)
        out[row] += value * column[static_cast<size_t>(row)];
    }
  }
}

}  // namespace

std::vector<int64_t> quantize_rows_int8(const float* x, int64_t rows, int64_t columns,
                                        float threshold, int8_t* codes, float* absmax) {
  std::vector<int64_t> outliers;
  if (threshold > 0) outliers = columns_of_outliers(x, rows, columns, threshold);
  for (int64_t row = 0; row < rows; ++row) {
    const float* values = x + row * columns;
    int8_t* out = codes + row * columns;
    const float most = row_absmax(values, columns, threshold);
    absmax[row] = most;
    round_row(values, columns, most > 0 ? 127.0f / most : 0.0f, out);
    for (const int64_t k : outliers) {
      if (rows > 1 || std::fabs(values[k]) >= threshold) out[k] = 0;
    }
  }
  return outliers;
}

void dequantize_row_int8(const int8_t* codes, float absmax, int64_t n, float* out) {
  const float scale = absmax / 127.0f;
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(codes[i]) * scale;
}

void multiply_int8(const int8_t* x, int64_t tokens, const Int8Matrix& w, int32_t* out) {
  if (w.columns > kMostInt8Columns) {
    fail("an int8 product over {} columns; at most {} fit into 32-bit sums, use a float base",
         w.columns, kMostInt8Columns);
  }
  const int64_t held = rounded_up(tokens, kInt8Panel), depth = rounded_up(w.columns, kInt8Depth);
  std::vector<int16_t> packed(static_cast<size_t>(held * depth)), tile(kInt8Strip * kInt8Pitch);
  std::vector<int32_t> sums(static_cast<size_t>(kInt8Strip * held));
  const auto run = use_avx512() ? multiply_int8_avx512 : multiply_int8_avx2;
  run(x, tokens, w, {packed.data(), tile.data(), sums.data()}, out);
}

void multiply_int8_reference(const int8_t* x, int64_t tokens, const Int8Matrix& w, int32_t* out) {
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t row = 0; row < w.rows; ++row) {
      int32_t sum = 0;
      for (int64_t k = 0; k < w.columns; ++k) {
        sum += int32_t{x[t * w.columns + k]} * int32_t{w.codes[row * w.columns + k]};
      }
      out[t * w.rows + row] = sum;
    }
  }
}

void linear_int8(const float* x, int64_t tokens, const Int8Matrix& w, float threshold,
                 const float* bias, float* y) {
  std::vector<int8_t> codes(static_cast<size_t>(tokens * w.columns));
  std::vector<float> absmax(static_cast<size_t>(tokens));
  std::vector<int32_t> sums(static_cast<size_t>(tokens * w.rows));
  const auto outliers =
      quantize_rows_int8(x, tokens, w.columns, threshold, codes.data(), absmax.data());
  multiply_int8(codes.data(), tokens, w, sums.data());
  constexpr float kShare = 1.0f / (127.0f * 127.0f);
  for (int64_t t = 0; t < tokens; ++t) {
    const float row_scale = absmax[static_cast<size_t>(t)];
    const int32_t* sum = sums.data() + t * w.rows;
    float* out = y + t * w.rows;
    for (int64_t row = 0; row < w.rows; ++row) {
      out[row] = static_cast<float>(sum[row]) * (row_scale * w.absmax[row]) * kShare;
    }
  }
  add_outliers(x, tokens, w, outliers, y);
  if (bias == nullptr) return;
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t row = 0; row < w.rows; ++row) y[t * w.rows + row] += bias[row];
  }
}

}  // namespace lethe::kernels
