// The instruction-set versions of 8-bit quantising. Only core/kernels and its tests use it.
#pragma once

#include "core/kernels/blockwise8.h"

namespace lethe::kernels {

/// The arguments of quantize_8bit(), a map with lines() only. The AVX-512 version needs what
/// has_avx512() asks for.
void quantize_8bit_avx2(const ByteMap& map, const float* x, int64_t n, int64_t block,
                        uint8_t* codes, float* absmax);
void quantize_8bit_avx512(const ByteMap& map, const float* x, int64_t n, int64_t block,
                          uint8_t* codes, float* absmax);

}  // namespace lethe::kernels
