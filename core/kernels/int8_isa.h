// The instruction-set versions of the int8 product. Only core/kernels and its tests use it.
#pragma once

#include "core/kernels/int8_rows.h"

namespace lethe::kernels {

constexpr int64_t kInt8Depth = 512;  ///< of the sum, handled while a tile is cached
constexpr int64_t kInt8Pitch = 560;  ///< from row to row of a tile; 512 would hit one cache bank
constexpr int64_t kInt8Strip = 96;   ///< rows of the weight of one pass
constexpr int64_t kInt8Panel = 16;   ///< tokens that the inner loop holds in registers

/// Working memory, with T tokens rounded up to kInt8Panel and K columns to kInt8Depth: packed
/// (T, K) of zeros, tile (kInt8Strip, kInt8Pitch), sums (kInt8Strip, T). The caller allocates: code
/// compiled for one instruction set must bring in no template of the standard library's.
struct Int8Scratch {
  int16_t* packed = nullptr;
  int16_t* tile = nullptr;
  int32_t* sums = nullptr;
};

/// The AVX-512 version needs what has_avx512() asks for.
void multiply_int8_avx2(const int8_t* x, int64_t tokens, const Int8Matrix& w,
                        const Int8Scratch& scratch, int32_t* out);
void multiply_int8_avx512(const int8_t* x, int64_t tokens, const Int8Matrix& w,
                          const Int8Scratch& scratch, int32_t* out);

}  // namespace lethe::kernels
