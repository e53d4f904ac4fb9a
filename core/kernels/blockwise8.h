// bitsandbytes' 8-bit blockwise quantisation, and with it the second quantisation of 4-bit scales
// ("double quantisation", Dettmers et al. 2023, arXiv:2305.14314). Free of libtorch.
#pragma once

#include <cstdint>

#include "core/kernels/byte_map.h"

namespace lethe::kernels {

/// codes (n bytes), absmax (ceil(n / block) floats) from x (n floats, finite): the map's nearest
/// value to x * (1 / absmax), the reciprocal held finite. block >= 1.
void quantize_8bit(const ByteMap& map, const float* x, int64_t n, int64_t block, uint8_t* codes,
                   float* absmax);
/// The same in the plainest loop.
void quantize_8bit_reference(const ByteMap& map, const float* x, int64_t n, int64_t block,
                             uint8_t* codes, float* absmax);

/// out[i] = map[codes[i]] * absmax[i / block], fp32.
void dequantize_8bit(const ByteMap& map, const uint8_t* codes, const float* absmax, int64_t n,
                     int64_t block, float* out);

/// The blocks of double quantisation.
constexpr int64_t kNestedBlock = 256;

/// Scales quantised once more: returns the offset, their mean in the arithmetic of torch.mean on a
/// machine with AVX2; codes (n bytes) and absmax (ceil(n / 256) floats) are those of scales -
/// offset under the signed dynamic map.
float quantize_scales(const float* scales, int64_t n, uint8_t* codes, float* absmax);

/// Scales begin..begin + n: map[codes[i]] * absmax[i / block] + offset, both rounded.
void dequantize_scales(const ByteMap& map, const uint8_t* codes, const float* absmax, float offset,
                       int64_t begin, int64_t n, int64_t block, float* scales);

}  // namespace lethe::kernels
