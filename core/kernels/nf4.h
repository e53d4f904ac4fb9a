// NF4 blockwise quantisation (Dettmers et al. 2023, arXiv:2305.14314), codes and packing as
// bitsandbytes. Raw pointers, free of libtorch. Blocks of consecutive elements, fp32 absmax, even
// index in the HIGH nibble, ties to the lower code, an all-zero block has absmax 0 and code 7.
#pragma once

#include <cstdint>

namespace lethe::kernels {

extern const float kNf4Values[16];

/// packed ((n + 1) / 2 bytes), absmax (ceil(n / block) floats) from x (n floats). block: a power of
/// two in 32..4096. x must be finite. An odd n is padded with code 7. Scaled values are
/// x * (1 / absmax), the reciprocal rounded (and held finite where absmax is below 2^-128).
void quantize_nf4(const float* x, int64_t n, int64_t block, uint8_t* packed, float* absmax);

/// out[i] = kNf4Values[code[i]] * absmax[i / block], fp32. out must not overlap the inputs.
void dequantize_nf4(const uint8_t* packed, const float* absmax, int64_t n, int64_t block,
                    float* out);

}  // namespace lethe::kernels
