// LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339): rows of 8-bit integers with one fp32 absmax
// each, and columns of outliers that stay in float. Free of libtorch.
#pragma once

#include <cstdint>
#include <vector>

namespace lethe::kernels {

/// From x (rows, columns): codes (rows, columns) = round_half_even(x * (127 / absmax[row])), absmax
/// (rows). With threshold > 0 every |x| >= threshold makes its column an outlier: such values don't
/// count for a row's absmax, and the whole column has code 0 where there is more than one row;
/// returns those columns, rising. x must be finite; an all-zero row has absmax 0 and codes 0.
std::vector<int64_t> quantize_rows_int8(const float* x, int64_t rows, int64_t columns,
                                        float threshold, int8_t* codes, float* absmax);

/// out[i] = codes[i] * (absmax / 127) for n elements of one row.
void dequantize_row_int8(const int8_t* codes, float absmax, int64_t n, float* out);

/// A frozen weight (rows = out, columns = in) in LLM.int8() form: codes and absmax (rows), called
/// SCB by bitsandbytes. Codes lie in -127..127.
struct Int8Matrix {
  const int8_t* codes = nullptr;
  const float* absmax = nullptr;
  int64_t rows = 0, columns = 0;
};

/// The most columns whose products can't leave 32 bits: 2^31 / 127^2.
constexpr int64_t kMostInt8Columns = 133'000;

/// out (tokens, w.rows) = sum_k x[t][k] w[r][k] in 32-bit integers, exact. x (tokens, w.columns) of
/// codes in -127..127. Throws Error above kMostInt8Columns.
void multiply_int8(const int8_t* x, int64_t tokens, const Int8Matrix& w, int32_t* out);
/// The same in the plainest loop.
void multiply_int8_reference(const int8_t* x, int64_t tokens, const Int8Matrix& w, int32_t* out);

/// y (tokens, w.rows) = x W^T (+ bias, may be null) by LLM.int8(): x (tokens, w.columns) quantised
/// by rows, the integer product times absmax absmax / 127^2, and the outlier columns in float with
/// the dequantised weight. threshold 0: no outliers. bitsandbytes rounds x to fp16 first; the
/// caller does where that is wanted.
void linear_int8(const float* x, int64_t tokens, const Int8Matrix& w, float threshold,
                 const float* bias, float* y);

}  // namespace lethe::kernels
