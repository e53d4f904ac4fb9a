// The tables of the 4-bit formats, and the instruction-set versions of their kernels. Only
// core/kernels and its tests use it.
#pragma once

#include <cstdint>

#include "core/kernels/fourbit.h"

namespace lethe::kernels {

/// Both formats are one rule: the rank of a scaled value is the number of thresholds below it, and
/// the code is what stands at that rank.
struct FourBitTable {
  float value[16];      ///< by code
  float threshold[15];  ///< fp32 midpoints of neighbouring values, rising
  uint8_t code[16];     ///< by rank; code[7] is that of zero
};
const FourBitTable& four_bit_table(FourBit format);

/// Results of so many floats, 32 MiB, are written past the caches, which they would leave anyway.
constexpr int64_t kPastCaches = 1 << 23;

/// 1 / most, held finite.
float finite_reciprocal(float most);

/// The arguments of the functions without suffix. The AVX-512 ones need what has_avx512() asks for.
void quantize_4bit_avx2(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                        float* absmax);
void quantize_4bit_avx512(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                          float* absmax);
void dequantize_4bit_avx2(FourBit format, const uint8_t* packed, const float* absmax, int64_t begin,
                          int64_t n, int64_t block, float* out);
void dequantize_4bit_avx512(FourBit format, const uint8_t* packed, const float* absmax,
                            int64_t begin, int64_t n, int64_t block, float* out);

}  // namespace lethe::kernels
