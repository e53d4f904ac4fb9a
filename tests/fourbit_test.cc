#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "core/kernels/blockwise8.h"
#include "core/kernels/fourbit_isa.h"
#include "core/kernels/isa.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

using QuantizeFourBit = void (*)(FourBit, const float*, int64_t, int64_t, uint8_t*, float*);
using DequantizeFourBit = void (*)(FourBit, const uint8_t*, const float*, int64_t, int64_t, int64_t,
                                   float*);

std::string bits_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// Values with a block of zeros, a block of the smallest floats, ties and signed zeros.
std::vector<float> hard_values(size_t n, FourBit format) {
  std::vector<float> x = normal_values(n, 11);
  for (size_t i = 0; i < n && i < 64; ++i) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
  for (size_t i = 64; i < n && i < 96; ++i) x[i] *= 1e-44f;
  const FourBitTable& table = four_bit_table(format);
  for (size_t i = 128; i < n && i < 158; ++i) {
    x[i] = std::nextafter(table.threshold[(i - 128) / 2], i % 2 == 0 ? 2.0f : -2.0f);
  }
  for (size_t i = 158; i < n && i < 173; ++i) x[i] = table.threshold[i - 158];
  if (n > 173) x[173] = 1.0f;
  return x;
}

void check_quantizing(QuantizeFourBit run) {
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    for (const int64_t n : {0, 1, 2, 31, 32, 33, 63, 64, 127, 128, 4096, 4113, 9999}) {
      for (const int64_t block : {32, 64, 128, 4096}) {
        CAPTURE(four_bit_name(format), n, block);
        const auto x = hard_values(static_cast<size_t>(n), format);
        const auto blocks = static_cast<size_t>((n + block - 1) / block);
        std::vector<uint8_t> packed((x.size() + 1) / 2), expected(packed);
        std::vector<float> absmax(blocks), scales(blocks);
        run(format, x.data(), n, block, packed.data(), absmax.data());
        quantize_4bit_reference(format, x.data(), n, block, expected.data(), scales.data());
        CHECK(packed == expected);
        CHECK(bits_of(absmax) == bits_of(scales));
      }
    }
  }
}

void check_dequantizing(DequantizeFourBit run) {
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    const auto q = four_bit_case(format, normal_values(5001, 12));
    for (const int64_t begin : {0, 1, 8, 63, 64, 65, 1000}) {
      for (const int64_t n : {0, 1, 7, 16, 64, 100, 4001}) {
        CAPTURE(four_bit_name(format), begin, n);
        std::vector<float> values(static_cast<size_t>(n)), expected(values);
        run(format, q.packed.data(), q.absmax.data(), begin, n, 64, values.data());
        dequantize_4bit_reference(format, q.packed.data(), q.absmax.data(), begin, n, 64,
                                  expected.data());
        CHECK(bits_of(values) == bits_of(expected));
      }
    }
  }
}

/// A result larger than the caches, at every place within 16 bytes, and some of its elements.
void check_writing_past(DequantizeFourBit run) {
  std::vector<uint8_t> packed(kPastCaches / 2 + 64);
  for (size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<uint8_t>(i * i >> 3);
  const auto absmax = normal_values(packed.size() / 32 + 1, 13);
  std::vector<float> values(kPastCaches + 80), expected(kPastCaches + 21);
  for (const int64_t begin : {0, 1, 4, 66}) {
    dequantize_4bit_reference(FourBit::nf4, packed.data(), absmax.data(), begin, kPastCaches + 21,
                              64, expected.data());
    for (const size_t shift : {0, 1, 2, 4}) {
      CAPTURE(begin, shift);
      std::fill(values.begin(), values.end(), -9.0f);
      run(FourBit::nf4, packed.data(), absmax.data(), begin, kPastCaches + 21, 64,
          values.data() + shift);
      CHECK(std::memcmp(values.data() + shift, expected.data(), expected.size() * sizeof(float)) ==
            0);
      CHECK(values[expected.size() + shift] == -9);
    }
  }
}

}  // namespace

TEST_CASE("two blocks of a sine have the golden fp4 codes", "[fourbit]") {
  const auto x = growing_sine();
  const auto q = four_bit_case(FourBit::fp4, x);
  CHECK(q.absmax == std::vector<float>{1.5785399675369263f, 2.2279298305511475f});
  CHECK(hex_of(q.packed) ==
        "075222546ecdaaadf175222246edaaaadc142233256edabbaac142333256fdbb"
        "aadf145222246edaaaadf142232256edabbadf142333256fdabbbac142333256");
  CHECK(rms_error(x, q.values) == Approx(0.13602528971571498));
}

TEST_CASE("scales quantised twice have the golden codes", "[fourbit]") {
  const auto q = four_bit_case(FourBit::nf4, growing_sine());
  uint8_t codes[2];
  float absmax, scales[2];
  const float offset = quantize_scales(q.absmax.data(), 2, codes, &absmax);
  CHECK(offset == 1.9032349586486816f);
  CHECK(absmax == 0.32469499111175537f);
  CHECK(codes[0] == 0);
  CHECK(codes[1] == 255);
  dequantize_scales(signed_dynamic_map(), codes, &absmax, offset, 0, 2, kNestedBlock, scales);
  CHECK(scales[0] == 1.5808229446411133f);
  CHECK(scales[1] == 2.2279300689697266f);
  std::vector<float> values(128);
  dequantize_4bit(FourBit::nf4, q.packed.data(), scales, 128, 64, values.data());
  CHECK(values[1] == 0.38905996084213257f);
  CHECK(values[64] == -1.551068902015686f);
}

TEST_CASE("300 scales quantised twice have the golden codes and error", "[fourbit]") {
  const auto y = beating_sine();
  const auto q = four_bit_case(FourBit::nf4, y);
  std::vector<uint8_t> codes(300);
  std::vector<float> absmax(2), scales(300), values(y.size());
  const float offset = quantize_scales(q.absmax.data(), 300, codes.data(), absmax.data());
  CHECK(offset == 0.02017609030008316f);
  CHECK(absmax == std::vector<float>{0.01018444076180458f, 0.010163121856749058f});
  CHECK(std::vector<uint8_t>(codes.begin(), codes.begin() + 16) ==
        std::vector<uint8_t>{172, 193, 199, 204, 209, 215, 220, 224, 229, 233, 237, 240, 243, 245,
                             248, 250});
  CHECK(std::vector<uint8_t>(codes.begin() + 256, codes.begin() + 264) ==
        std::vector<uint8_t>{226, 222, 216, 211, 206, 200, 194, 187});
  CHECK(crc_of(codes) == 0x9a20ea21);
  dequantize_scales(signed_dynamic_map(), codes.data(), absmax.data(), offset, 0, 300, 256,
                    scales.data());
  double worst = 0;
  for (size_t i = 0; i < 300; ++i) {
    worst = std::max(worst, std::fabs(1.0 - double{scales[i]} / double{q.absmax[i]}));
  }
  CHECK(worst == Approx(0.00716692).epsilon(1e-5));
  dequantize_4bit(FourBit::nf4, q.packed.data(), scales.data(), 19200, 64, values.data());
  CHECK(rms_error(y, values) == Approx(0.00124435).epsilon(1e-5));
}

TEST_CASE("an fp4 block of zeros has code 0, and so has padding", "[fourbit]") {
  const auto q = four_bit_case(FourBit::fp4, std::vector<float>(65, 0.0f));
  CHECK(q.packed == std::vector<uint8_t>(33, 0));
  CHECK(q.values == std::vector<float>(65, 0.0f));
}

TEST_CASE("quantising in 4 bits has the reference's bits on every instruction set", "[fourbit]") {
  check_quantizing(quantize_4bit_avx2);
  if (has_avx512()) check_quantizing(quantize_4bit_avx512);
}

TEST_CASE("dequantising any part has the reference's bits on every instruction set", "[fourbit]") {
  check_dequantizing(dequantize_4bit_avx2);
  if (has_avx512()) check_dequantizing(dequantize_4bit_avx512);
}

TEST_CASE("what is written past the caches has the reference's bits", "[fourbit]") {
  check_writing_past(dequantize_4bit_avx2);
  if (has_avx512()) check_writing_past(dequantize_4bit_avx512);
}

TEST_CASE("a block size that the 4-bit formats lack is refused", "[fourbit]") {
  for (const int64_t block : {32, 64, 4096}) CHECK_NOTHROW(check_four_bit_block(block));
  CHECK_THROWS_WITH(check_four_bit_block(48),
                    "a block of 48 elements; 4-bit formats have blocks of 32, 64, 128, ... 4096");
  CHECK_THROWS_AS(check_four_bit_block(16), std::runtime_error);
  CHECK_THROWS_AS(quantize_4bit(FourBit::nf4, nullptr, 0, 8192, nullptr, nullptr),
                  std::runtime_error);
}

}  // namespace lethe::kernels
