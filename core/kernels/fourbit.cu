// The 4-bit formats on a GPU, bit for bit as fourbit.cc: one thread block a quantisation block, one
// thread a byte.
#include "core/kernels/cuda.h"
#include "core/kernels/cuda_codes.h"
#include "core/kernels/fourbit_isa.h"

namespace lethe::kernels {
namespace {

__global__ void quantize_four_bits(const float* x, int64_t n, int64_t block, FourBitTable table,
                                   uint8_t* packed, float* absmax) {
  __shared__ float thresholds[15];
  __shared__ uint8_t codes[16];
  if (threadIdx.x < 15) thresholds[threadIdx.x] = table.threshold[threadIdx.x];
  if (threadIdx.x < 16) codes[threadIdx.x] = table.code[threadIdx.x];
  const int64_t blocks = (n - 1) / block + 1;
  for (int64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    const int64_t start = b * block;
    const int64_t length = block < n - start ? block : n - start;
    const float* values = x + start;
    int mine = 0;
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) {
      mine = larger(mine, size_bits(values[i]));
    }
    const float most = __int_as_float(block_most(mine));  // its barriers also cover the tables
    if (threadIdx.x == 0) absmax[b] = most;
    const float reciprocal = reciprocal_of(most);
    for (int64_t i = 2 * int64_t{threadIdx.x}; i < length; i += 2 * int64_t{blockDim.x}) {
      const unsigned high = count_below<8>(thresholds, __fmul_rn(values[i], reciprocal));
      const unsigned low =
          i + 1 < length ? count_below<8>(thresholds, __fmul_rn(values[i + 1], reciprocal)) : 7;
      packed[(start + i) / 2] = static_cast<uint8_t>(codes[high] << 4 | codes[low]);
    }
  }
}

/// Eight values, whose blocks are no smaller, at a time while `fours` of their four bytes are whole
/// and lie where both arrays can be read and written so; then one byte.
__global__ void dequantize_four_bits(const uint8_t* packed, const float* absmax, int64_t n,
                                     int block_bits, int64_t fours, FourBitTable table,
                                     float* out) {
  __shared__ float values[16];
  if (threadIdx.x < 16) values[threadIdx.x] = table.value[threadIdx.x];
  __syncthreads();
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t mine = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (int64_t four = mine; four < fours; four += stride) {
    const float scale = absmax[(8 * four) >> block_bits];
    const uint32_t bytes = reinterpret_cast<const uint32_t*>(packed)[four];
    Four low, high;
    for (int i = 0; i < 4; ++i) {
      const unsigned byte = bytes >> (8 * i) & 255u;
      Four& half = i < 2 ? low : high;
      half.at[2 * (i % 2)] = __fmul_rn(values[byte >> 4], scale);
      half.at[2 * (i % 2) + 1] = __fmul_rn(values[byte & 15u], scale);
    }
    reinterpret_cast<Four*>(out)[2 * four] = low;
    reinterpret_cast<Four*>(out)[2 * four + 1] = high;
  }
  for (int64_t byte = 4 * fours + mine; 2 * byte < n; byte += stride) {
    const float scale = absmax[(2 * byte) >> block_bits];
    out[2 * byte] = __fmul_rn(values[packed[byte] >> 4], scale);
    if (2 * byte + 1 < n) out[2 * byte + 1] = __fmul_rn(values[packed[byte] & 15], scale);
  }
}

/// The exponent of a power of two.
int bits_of(int64_t block) {
  int bits = 0;
  while ((int64_t{1} << bits) < block) ++bits;
  return bits;
}

}  // namespace

int quantize_4bit_cuda(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                       float* absmax, void* stream) {
  check_four_bit_block(block);
  if (n == 0) return 0;
  return launch(quantize_four_bits, grid_of((n - 1) / block + 1), threads_for(block / 2), stream, x,
                n, block, four_bit_table(format), packed, absmax);
}

int dequantize_4bit_cuda(FourBit format, const uint8_t* packed, const float* absmax, int64_t n,
                         int64_t block, float* out, void* stream) {
  check_four_bit_block(block);
  if (n == 0) return 0;
  const int64_t fours = starts_at(packed, 4) && starts_at(out, sizeof(Four)) ? n / 8 : 0;
  return launch(dequantize_four_bits, grid_of((n / 2 + kThreads) / kThreads), kThreads, stream,
                packed, absmax, n, bits_of(block), fours, four_bit_table(format), out);
}

}  // namespace lethe::kernels
