#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "core/kernels/blockwise8_isa.h"
#include "core/kernels/isa.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

/// The definition: how many midpoints lie below x.
int slow_code(const ByteMap& map, float x) {
  int code = 0;
  while (code < 255 && x > (map.values()[code] + map.values()[code + 1]) / 2) ++code;
  return code;
}

/// Values in every decade and below them, all midpoints, what lies next to those, and the ends.
std::vector<float> hard_values(const ByteMap& map) {
  std::vector<float> x = normal_values(4000, 5);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= std::pow(10.0f, -static_cast<float>(i % 9));
  for (int i = 0; i < 255; ++i) {
    const float middle = (map.values()[i] + map.values()[i + 1]) / 2;
    for (const float one : {middle, std::nextafter(middle, 2.0f), std::nextafter(middle, -2.0f)}) {
      x.push_back(one);
    }
  }
  for (const float one : {0.0f, -0.0f, 1.0f, -1.0f, 1.0000001f, 3.0f, -3.0f, 1e-45f, -1e-45f}) {
    x.push_back(one);
  }
  return x;
}

/// Blocks of every size, in some of which the largest value is 1, so that midpoints stay.
void check_quantizing(decltype(&quantize_8bit_avx2) run) {
  for (const ByteMap* map : {&signed_dynamic_map(), &unsigned_dynamic_map()}) {
    auto x = hard_values(*map);
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::fabs(x[i]) > 1) x[i] = i % 3 == 0 ? 1.0f : -0.5f;
    }
    const auto n = static_cast<int64_t>(x.size());
    for (const int64_t block : {1, 7, 32, 64, 256, 100'000}) {
      CAPTURE(block);
      const auto blocks = static_cast<size_t>((n + block - 1) / block);
      std::vector<uint8_t> codes(x.size()), expected(codes);
      std::vector<float> absmax(blocks), scales(blocks);
      run(*map, x.data(), n, block, codes.data(), absmax.data());
      quantize_8bit_reference(*map, x.data(), n, block, expected.data(), scales.data());
      CHECK(codes == expected);
      CHECK(bit_equal(absmax, scales));
    }
  }
}

double sum_of(const ByteMap& map) {
  double sum = 0;
  for (int i = 0; i < 256; ++i) sum += map.values()[i];
  return sum;
}

}  // namespace

TEST_CASE("the dynamic maps have their known entries", "[byte_map]") {
  const float* map = signed_dynamic_map().values();
  CHECK(map[0] == Approx(-0.9929687));
  CHECK(map[127] == 0);
  CHECK(map[128] == Approx(5.5e-7));
  CHECK(map[131] == Approx(2.125e-5));
  CHECK(map[191] == Approx(0.10703126));
  CHECK(map[254] == Approx(0.99296874));
  CHECK(map[255] == 1);
  CHECK(sum_of(signed_dynamic_map()) == Approx(1).margin(1e-6));
  map = unsigned_dynamic_map().values();
  CHECK(map[0] == 0);
  CHECK(map[1] == Approx(3.25e-7));
  CHECK(map[127] == Approx(0.103515625));
  CHECK(map[254] == Approx(0.9964844));
  CHECK(sum_of(unsigned_dynamic_map()) == Approx(75.1052631));
}

TEST_CASE("a byte's code is the number of midpoints below the value", "[byte_map]") {
  for (const ByteMap* map : {&signed_dynamic_map(), &unsigned_dynamic_map()}) {
    for (const float one : hard_values(*map)) {
      if (map->code_of(one) != slow_code(*map, one)) {
        CAPTURE(one);
        CHECK(int{map->code_of(one)} == slow_code(*map, one));
      }
    }
  }
}

TEST_CASE("8-bit quantising has the plain loop's bits on every instruction set", "[byte_map]") {
  check_quantizing(quantize_8bit_avx2);
  if (has_avx512()) check_quantizing(quantize_8bit_avx512);
}

TEST_CASE("only maps of seven decades are made of lines", "[byte_map]") {
  CHECK(signed_dynamic_map().lines() != nullptr);
  CHECK(unsigned_dynamic_map().lines() != nullptr);
  const float* values = signed_dynamic_map().values();
  std::vector<float> near(values, values + 256), bent = near, even(256);
  near[200] = std::nextafter(near[200], 2.0f);
  near[54] = -near[200];
  bent[200] = (bent[199] + bent[200]) / 2;
  bent[54] = -bent[200];
  for (size_t i = 0; i < 256; ++i) even[i] = -1.0f + static_cast<float>(i) / 127.5f;
  CHECK(ByteMap(near.data()).lines() != nullptr);
  CHECK(ByteMap(bent.data()).lines() == nullptr);
  CHECK(ByteMap(even.data()).lines() == nullptr);
  bent = near;
  bent[0] = -1;
  CHECK(ByteMap(bent.data()).lines() == nullptr);
}

TEST_CASE("a map that a checkpoint holds may be any that rises", "[byte_map]") {
  std::vector<float> even(256), steps(256, 0.5f);
  for (size_t i = 0; i < 256; ++i) even[i] = -1.0f + static_cast<float>(i) / 127.5f;
  const ByteMap map(even.data()), flat(steps.data());
  for (const float one : {-1.0f, -0.9f, -0.003f, 0.0f, 0.1f, 0.49999f, 0.77f, 1.0f}) {
    CHECK(int{map.code_of(one)} == slow_code(map, one));
    CHECK(int{flat.code_of(one)} == slow_code(flat, one));
  }
  even[7] = -2;
  CHECK_THROWS_WITH(ByteMap(even.data()),
                    "entry 7 of an 8-bit map is -2; expected 256 finite values that rise");
  even[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(ByteMap(even.data()),
                    "entry 7 of an 8-bit map is nan; expected 256 finite values that rise");
}

TEST_CASE("8-bit blocks scale by their own largest value", "[byte_map]") {
  const std::vector<float> x = {2, -2, 1, 0, -8, 8, 0.8f};
  std::vector<uint8_t> codes(7);
  std::vector<float> absmax(2), values(7);
  quantize_8bit(signed_dynamic_map(), x.data(), 7, 4, codes.data(), absmax.data());
  CHECK(absmax == std::vector<float>{2, 8});
  CHECK(codes[0] == 255);
  CHECK(codes[1] == 0);  // -1 is not in the map
  CHECK(codes[3] == 127);
  CHECK(codes[5] == 255);
  dequantize_8bit(signed_dynamic_map(), codes.data(), absmax.data(), 7, 4, values.data());
  CHECK(values[0] == 2);
  CHECK(values[1] == 2 * signed_dynamic_map().value(0));
  CHECK(values[3] == 0);
  CHECK(values[6] == 8 * signed_dynamic_map().value(codes[6]));
}

TEST_CASE("an 8-bit block of zeros comes back as zeros", "[byte_map]") {
  const std::vector<float> x(300, 0.0f);
  std::vector<uint8_t> codes(300);
  std::vector<float> absmax(2, 9), values(300, 9);
  quantize_8bit(signed_dynamic_map(), x.data(), 300, 256, codes.data(), absmax.data());
  CHECK(absmax == std::vector<float>{0, 0});
  CHECK(codes == std::vector<uint8_t>(300, 127));
  dequantize_8bit(signed_dynamic_map(), codes.data(), absmax.data(), 300, 256, values.data());
  CHECK(values == x);
}

}  // namespace lethe::kernels
