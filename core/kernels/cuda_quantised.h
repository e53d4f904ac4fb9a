// The CUDA twins of 8-bit blocks, 8-bit AdamW, LLM.int8() and of products with a quantised weight,
// by the rules of core/kernels/cuda.h. Results are those of the CPU's functions bit for bit, the
// products' too. Maps (ByteMap) and structs lie on the host, every other pointer on the device.
// cudaErrorInvalidValue stands for what the CPU's functions refuse.
#pragma once

#include <cstdint>

#include "core/kernels/adam8.h"
#include "core/kernels/blockwise8.h"
#include "core/kernels/int8_rows.h"
#include "core/kernels/tile_product.h"

namespace lethe::kernels {

/// quantize_8bit, dequantize_8bit.
int quantize_8bit_cuda(const ByteMap& map, const float* x, int64_t n, int64_t block, uint8_t* codes,
                       float* absmax, void* stream);
int dequantize_8bit_cuda(const ByteMap& map, const uint8_t* codes, const float* absmax, int64_t n,
                         int64_t block, float* out, void* stream);

/// quantize_scales; writes the offset to *offset. The mean is one warp's work, in the CPU's order.
int quantize_scales_cuda(const float* scales, int64_t n, uint8_t* codes, float* absmax,
                         float* offset, void* stream);
/// dequantize_scales.
int dequantize_scales_cuda(const ByteMap& map, const uint8_t* codes, const float* absmax,
                           float offset, int64_t begin, int64_t n, int64_t block, float* scales,
                           void* stream);

/// clear_moments, adamw8_step.
int clear_moments_cuda(const Adam8Step& state, void* stream);
int adamw8_step_cuda(const Adam8Step& step, void* stream);

/// quantize_rows_int8; in place of a list, outlier[k] (columns bytes, may be null without a
/// threshold) is 1 for a column of outliers, else 0.
int quantize_rows_int8_cuda(const float* x, int64_t rows, int64_t columns, float threshold,
                            int8_t* codes, float* absmax, uint8_t* outlier, void* stream);

/// multiply_int8. Four codes are read at a time where columns are a multiple of 4 and both matrices
/// begin at multiples of 4 bytes.
int multiply_int8_cuda(const int8_t* x, int64_t tokens, const Int8Matrix& w, int32_t* out,
                       void* stream);

/// linear_int8, with linear_int8_cuda_scratch() bytes of device memory that begin at a multiple of
/// 4.
int64_t linear_int8_cuda_scratch(int64_t tokens, int64_t columns);
int linear_int8_cuda(const float* x, int64_t tokens, const Int8Matrix& w, float threshold,
                     const float* bias, void* scratch, float* y, void* stream);

/// A frozen 4-bit weight (rows = out, columns = in), packed row by row as FourBitTiles has it. Its
/// scales are `absmax`, or where that is null `nested`.
struct FourBitMatrix {
  FourBit format = FourBit::nf4;
  const uint8_t* packed = nullptr;
  const float* absmax = nullptr;
  NestedScales nested;
  int64_t rows = 0, columns = 0, block = 64;
};

/// multiply() and multiply_back() of core/kernels/tile_product.h without its scratch: tiles of the
/// weight are made float32 in shared memory, so no dense weight ever exists. Throw Error for a
/// block size that the 4-bit formats lack.
int multiply_cuda(const float* x, int64_t tokens, const FourBitMatrix& w, const float* bias,
                  float* y, void* stream);
int multiply_back_cuda(const float* gy, int64_t tokens, const FourBitMatrix& w, float* gx,
                       void* stream);
/// The same with an LLM.int8() weight, x staying float32.
int multiply_cuda(const float* x, int64_t tokens, const Int8Matrix& w, const float* bias, float* y,
                  void* stream);
int multiply_back_cuda(const float* gy, int64_t tokens, const Int8Matrix& w, float* gx,
                       void* stream);

}  // namespace lethe::kernels
