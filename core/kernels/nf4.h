// NF4 blockwise quantisation (Dettmers et al. 2023, arXiv:2305.14314): core/kernels/fourbit.h with
// that format. An all-zero block has absmax 0 and code 7.
#pragma once

#include <cstdint>

#include "core/kernels/fourbit.h"

namespace lethe::kernels {

extern const float kNf4Values[16];

inline void quantize_nf4(const float* x, int64_t n, int64_t block, uint8_t* packed, float* absmax) {
  quantize_4bit(FourBit::nf4, x, n, block, packed, absmax);
}

inline void dequantize_nf4(const uint8_t* packed, const float* absmax, int64_t n, int64_t block,
                           float* out) {
  dequantize_4bit(FourBit::nf4, packed, absmax, n, block, out);
}

}  // namespace lethe::kernels
