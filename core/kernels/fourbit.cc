#include "core/kernels/fourbit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/kernels/fourbit_isa.h"
#include "core/kernels/isa.h"
#include "core/kernels/nf4.h"
#include "core/kernels/nf4_table.h"

namespace lethe::kernels {

const float kNf4Values[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

const float kNf4Thresholds[15] = {
    -0.8480963706970215f,  -0.6106328964233398f,  -0.4599952697753906f,   -0.33967941999435425f,
    -0.23460739850997925f, -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f,
    0.120255246758461f,    0.2035212516784668f,   0.2920137643814087f,    0.3893125355243683f,
    0.5016634464263916f,   0.6427869200706482f,   0.8614784479141235f};

namespace {

FourBitTable nf4_table() {
  FourBitTable table{};
  std::copy_n(kNf4Values, 16, table.value);
  std::copy_n(kNf4Thresholds, 15, table.threshold);
  for (int rank = 0; rank < 16; ++rank) table.code[rank] = static_cast<uint8_t>(rank);
  return table;
}

FourBitTable fp4_table() {
  constexpr float kMagnitudes[8] = {0, 1.0f / 192, 2.0f / 3, 1, 1.0f / 3, 0.5f, 1.0f / 6, 0.25f};
  FourBitTable table{
      .value = {}, .threshold = {}, .code = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3}};
  for (int code = 0; code < 8; ++code) {
    table.value[code] = kMagnitudes[code];
    table.value[8 + code] = code == 0 ? 0.0f : -kMagnitudes[code];
  }
  for (int rank = 0; rank < 15; ++rank) {
    table.threshold[rank] = (table.value[table.code[rank]] + table.value[table.code[rank + 1]]) / 2;
  }
  return table;
}

}  // namespace

const FourBitTable& four_bit_table(FourBit format) {
  static const FourBitTable nf4 = nf4_table(), fp4 = fp4_table();
  return format == FourBit::nf4 ? nf4 : fp4;
}

const char* four_bit_name(FourBit format) { return format == FourBit::nf4 ? "nf4" : "fp4"; }

const float* four_bit_values(FourBit format) { return four_bit_table(format).value; }

void check_four_bit_block(int64_t block) {
  if (block < 32 || block > 4096 || (block & (block - 1)) != 0) {
    fail("a block of {} elements; 4-bit formats have blocks of 32, 64, 128, ... 4096", block);
  }
}

float finite_reciprocal(float most) {
  return std::min(1.0f / most, std::numeric_limits<float>::max());
}

void quantize_4bit(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                   float* absmax) {
  check_four_bit_block(block);
  const auto run = use_avx512() ? quantize_4bit_avx512 : quantize_4bit_avx2;
  run(format, x, n, block, packed, absmax);
}

void dequantize_4bit(FourBit format, const uint8_t* packed, const float* absmax, int64_t n,
                     int64_t block, float* out) {
  dequantize_4bit_part(format, packed, absmax, 0, n, block, out);
}

void dequantize_4bit_part(FourBit format, const uint8_t* packed, const float* absmax, int64_t begin,
                          int64_t n, int64_t block, float* out) {
  const auto run = use_avx512() ? dequantize_4bit_avx512 : dequantize_4bit_avx2;
  run(format, packed, absmax, begin, n, block, out);
}

void quantize_4bit_reference(FourBit format, const float* x, int64_t n, int64_t block,
                             uint8_t* packed, float* absmax) {
  const FourBitTable& table = four_bit_table(format);
  std::fill_n(packed, (n + 1) / 2, static_cast<uint8_t>(table.code[7] * 17));
  for (int64_t start = 0; start < n; start += block) {
    const int64_t end = std::min(n, start + block);
    float most = 0;
    for (int64_t i = start; i < end; ++i) most = std::max(most, std::fabs(x[i]));
    absmax[start / block] = most;
    const float reciprocal = finite_reciprocal(most);
    for (int64_t i = start; i < end; ++i) {
      int rank = 0;
      while (rank < 15 && x[i] * reciprocal > table.threshold[rank]) ++rank;
      const int code = table.code[rank], other = packed[i / 2];
      packed[i / 2] =
          static_cast<uint8_t>(i % 2 == 0 ? code << 4 | (other & 15) : (other & 240) | code);
    }
  }
}

void dequantize_4bit_reference(FourBit format, const uint8_t* packed, const float* absmax,
                               int64_t begin, int64_t n, int64_t block, float* out) {
  const float* values = four_bit_values(format);
  for (int64_t i = begin; i < begin + n; ++i) {
    const int code = i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15;
    out[i - begin] = values[code] * absmax[i / block];
  }
}

}  // namespace lethe::kernels
