// Blockwise 4-bit quantisation in bitsandbytes' two formats: NF4 (Dettmers et al. 2023,
// arXiv:2305.14314) and FP4 (sign, two bits of exponent, one of mantissa). Raw pointers, free of
// libtorch. Blocks of consecutive elements with one fp32 absmax each; even index in the HIGH
// nibble; a tie goes to the lower value; codes and bytes are those of bitsandbytes.
#pragma once

#include <cstdint>

namespace lethe::kernels {

enum class FourBit : uint8_t { nf4, fp4 };

/// "nf4" or "fp4".
const char* four_bit_name(FourBit format);

/// The 16 values by code. FP4 has two zeros, 0 and 8: bitsandbytes gives what is above zero the
/// code 8.
const float* four_bit_values(FourBit format);

/// Throws Error unless `block` is a power of two in 32..4096.
void check_four_bit_block(int64_t block);

/// packed ((n + 1) / 2 bytes), absmax (ceil(n / block) floats) from x (n floats, finite). An odd n
/// is padded with the code of zero; an all-zero block has absmax 0 and that code. Scaled values are
/// x * (1 / absmax), the reciprocal rounded (and held finite where absmax is below 2^-128). Throws
/// Error for a block size that the format lacks.
void quantize_4bit(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                   float* absmax);

/// out[i] = values[code[i]] * absmax[i / block], fp32. out must not overlap the inputs.
void dequantize_4bit(FourBit format, const uint8_t* packed, const float* absmax, int64_t n,
                     int64_t block, float* out);

/// Elements begin..begin + n alone, out[0] being element `begin`: a tile of a matrix.
void dequantize_4bit_part(FourBit format, const uint8_t* packed, const float* absmax, int64_t begin,
                          int64_t n, int64_t block, float* out);

/// The same in the plainest loop: what the fast paths equal bit for bit.
void quantize_4bit_reference(FourBit format, const float* x, int64_t n, int64_t block,
                             uint8_t* packed, float* absmax);
void dequantize_4bit_reference(FourBit format, const uint8_t* packed, const float* absmax,
                               int64_t begin, int64_t n, int64_t block, float* out);

}  // namespace lethe::kernels
