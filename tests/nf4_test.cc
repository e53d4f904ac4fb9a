#include "core/kernels/nf4.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

constexpr float kLowestNf4Tie = -0.8480963706970215f;

FourBitCase quantized(const std::vector<float>& x, int64_t block = 64) {
  return four_bit_case(FourBit::nf4, x, block);
}

int code_at(const FourBitCase& q, size_t i) {
  return i % 2 == 0 ? q.packed[i / 2] >> 4 : q.packed[i / 2] & 15;
}

}  // namespace

TEST_CASE("two blocks of a sine have the golden codes and scales", "[nf4]") {
  const auto q = quantized(growing_sine());
  CHECK(q.absmax == std::vector<float>{1.5785399675369263f, 2.2279298305511475f});
  CHECK(hex_of(q.packed) ==
        "7acdeddb9632111247adeeedc9531111247bdefeec9521001147befffed95210"
        "11247bdeeedc9531111247bdeeeec9521001247beeffec9521001148cefffec9");
  CHECK(crc_of(q.packed) == 0x38842094);
}

TEST_CASE("two blocks of a sine come back as the golden floats", "[nf4]") {
  const auto x = growing_sine();
  const auto q = quantized(x);
  const std::vector<float> head(q.values.begin(), q.values.begin() + 8);
  CHECK(head == std::vector<float>{0, 0.38849809765815735f, 0.6956780552864075f,
                                   0.8881134390830994f, 1.1412162780761719f, 0.8881134390830994f,
                                   0.8881134390830994f, 0.5334126949310303f});
  const std::vector<float> second(q.values.begin() + 64, q.values.begin() + 70);
  CHECK(second == std::vector<float>{-1.551068663597107f, -1.551068663597107f, -1.1698259115219116f,
                                     -0.6337154507637024f, 0, 0.7528514266014099f});
  CHECK(crc_of(q.values) == 0x68c3a41f);
  CHECK(rms_error(x, q.values) == Approx(0.11217222626604126));
  CHECK(std::fabs(q.values[116] - x[116]) == 0.33563995361328125f);
}

TEST_CASE("300 blocks have the golden digest", "[nf4]") {
  const auto y = beating_sine();
  const auto q = quantized(y);
  CHECK(crc_of(q.packed) == 0x9f153b8d);
  REQUIRE(q.absmax.size() == 300);
  CHECK(q.absmax[0] == 0.020663149654865265f);
  CHECK(q.absmax[1] == 0.02157214842736721f);
  CHECK(q.absmax[2] == 0.022454749792814255f);
  CHECK(q.absmax[3] == 0.023094115778803825f);
  CHECK(rms_error(y, q.values) == Approx(0.00124404).epsilon(1e-5));
}

TEST_CASE("an all-zero block has absmax 0, code 7 and comes back as zeros", "[nf4]") {
  auto q = quantized(std::vector<float>(64, 0.0f));
  CHECK(q.absmax == std::vector<float>{0});
  CHECK(q.packed == std::vector<uint8_t>(32, 0x77));
  CHECK(q.values == std::vector<float>(64, 0.0f));
  q = quantized(std::vector<float>(64, -0.0f));
  CHECK(q.packed == std::vector<uint8_t>(32, 0x77));
  CHECK_FALSE(std::signbit(q.absmax[0]));
}

TEST_CASE("a negative zero gets the code of zero", "[nf4]") {
  const auto q = quantized({1.0f, -0.0f, 0.0f, -1.0f});
  CHECK(hex_of(q.packed) == "f770");
  CHECK_FALSE(std::signbit(q.values[1]));
}

TEST_CASE("a tie goes to the lower code", "[nf4]") {
  for (int code = 0; code < 15; ++code) {
    const float tie = (kNf4Values[code] + kNf4Values[code + 1]) / 2;
    const auto q = quantized({1.0f, tie, std::nextafter(tie, 2.0f), std::nextafter(tie, -2.0f)});
    CHECK(code_at(q, 1) == code);
    CHECK(code_at(q, 2) == code + 1);
    CHECK(code_at(q, 3) == code);
  }
  CHECK((kNf4Values[0] + kNf4Values[1]) / 2 == kLowestNf4Tie);
}

TEST_CASE("every code value keeps its code", "[nf4]") {
  const auto q = quantized(std::vector<float>(kNf4Values, kNf4Values + 16));
  CHECK(hex_of(q.packed) == "0123456789abcdef");
  CHECK(q.values == std::vector<float>(kNf4Values, kNf4Values + 16));
}

TEST_CASE("an odd length is padded with the code of zero", "[nf4]") {
  const auto q = quantized({1.0f, -1.0f, 0.5f});
  CHECK(hex_of(q.packed) == "f0c7");
  CHECK(q.values[2] == kNf4Values[12]);
  CHECK(hex_of(quantized({2.0f}).packed) == "f7");
  CHECK(quantized({}).packed.empty());
}

TEST_CASE("a short last block has its own scale", "[nf4]") {
  std::vector<float> x(67, 0.5f);
  x[64] = 8;
  x[65] = -2;
  x[66] = -4;
  const auto q = quantized(x);
  CHECK(q.absmax == std::vector<float>{0.5f, 8.0f});
  CHECK(q.packed[32] == 0xf4);  // 1 and -0.25, whose nearest value is -0.284
  CHECK(q.packed[33] == 0x27);
  CHECK(quantized(x, 32).absmax == std::vector<float>{0.5f, 0.5f, 8.0f});
}

TEST_CASE("the smallest floats keep their order", "[nf4]") {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const auto q = quantized({1000 * tiny, 0, -1000 * tiny});
  CHECK(q.absmax[0] == 1000 * tiny);
  CHECK(code_at(q, 1) == 7);
  CHECK(q.values[0] >= 0);
  CHECK(q.values[2] <= 0);
}

}  // namespace lethe::kernels
