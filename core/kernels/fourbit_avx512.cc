// The 4-bit kernels, 8-bit quantising and the step with 8-bit moments for x86-64-v4. The build adds
// -march=x86-64-v4 -O3 -fno-math-errno -ffp-contract=off.
#include "core/kernels/adam8_loop.h"
#include "core/kernels/blockwise8_loop.h"
#include "core/kernels/fourbit_loop.h"

namespace lethe::kernels {

void quantize_4bit_avx512(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                          float* absmax) {
  quantize(four_bit_table(format), x, n, block, packed, absmax);
}

void dequantize_4bit_avx512(FourBit format, const uint8_t* packed, const float* absmax,
                            int64_t begin, int64_t n, int64_t block, float* out) {
  dequantize(four_bit_values(format), packed, absmax, begin, n, block, out);
}

void quantize_8bit_avx512(const ByteMap& map, const float* x, int64_t n, int64_t block,
                          uint8_t* codes, float* absmax) {
  run_quantize_8bit(map, x, n, block, codes, absmax);
}

void adamw8_avx512(const Adam8Step& step, const Adam8Constants& constants) {
  run_adamw8(step, constants);
}

}  // namespace lethe::kernels
