// Rounding to bfloat16 at random: neighbours, means, and equal bits on every path.
#include "core/kernels/bf16_round.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/update_isa.h"

using namespace lethe::kernels;

namespace {

float float_of(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

std::vector<uint16_t> rounded(const std::vector<float>& from, uint64_t key, uint64_t first = 0) {
  std::vector<uint16_t> to(from.size());
  round_at_random(from.data(), static_cast<int64_t>(from.size()), key, first, to.data());
  return to;
}

std::vector<float> spread_values(size_t n) {
  std::vector<float> values;
  for (size_t i = 0; i < n; ++i) {
    const float x = 0.37f * static_cast<float>(i) - 11;
    values.push_back(std::ldexp(std::sin(x), static_cast<int>(i % 40) - 20));
  }
  return values;
}

}  // namespace

TEST_CASE("a value becomes one of its two neighbours in bfloat16, as often as its mean asks") {
  constexpr size_t kDraws = 200000;
  for (const float share : {0.25f, 0.5f, 0.9f}) {
    for (const float sign : {1.0f, -1.0f}) {
      CAPTURE(share, sign);
      // bfloat16 steps by 2^-7 from 1 on.
      const std::vector<float> values(kDraws, sign * (1 + share / 128));
      size_t away = 0;
      for (const uint16_t bits : rounded(values, 0x1234567890abcdefu)) {
        const float found = float_of(bits);
        REQUIRE((found == sign || found == sign * (1 + 1.0f / 128)));
        away += found == sign ? 0 : 1;
      }
      // Within five standard deviations of the binomial.
      const double deviation = std::sqrt(kDraws * share * (1 - share));
      CHECK(std::abs(static_cast<double>(away) - kDraws * static_cast<double>(share)) <
            5 * deviation);
    }
  }
}

TEST_CASE("what bfloat16 has stays, and what is not finite is cut off") {
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> kept = {0.0f,      -0.0f,       1.0f,     -2.5f,
                                   0x1p-126f, 0x1.fep127f, infinite, -infinite};
  for (uint64_t key = 1; key < 200; ++key) {
    const std::vector<uint16_t> bits = rounded(kept, key);
    for (size_t i = 0; i < kept.size(); ++i) {
      REQUIRE(bits[i] == std::bit_cast<uint32_t>(kept[i]) >> 16);
    }
    REQUIRE(std::isnan(float_of(rounded({std::nanf("")}, key)[0])));
  }
}

TEST_CASE("neighbouring values and steps draw apart") {
  const std::vector<float> half(4096, 1 + 1.0f / 256);
  const auto ups = [&](uint64_t key, uint64_t first) {
    std::vector<int> up;
    for (const uint16_t bits : rounded(half, key, first)) up.push_back(float_of(bits) > 1 ? 1 : 0);
    return up;
  };
  const auto agreeing = [](const std::vector<int>& a, const std::vector<int>& b, size_t shift) {
    int same = 0;
    for (size_t i = 0; i + shift < a.size(); ++i) same += a[i] == b[i + shift] ? 1 : 0;
    return static_cast<double>(same) / static_cast<double>(a.size() - shift);
  };
  const auto base = ups(77, 0);
  CHECK(agreeing(base, ups(78, 0), 0) == Approx(0.5).margin(0.05));  // another step
  CHECK(agreeing(base, ups(77 + (1ull << 32), 0), 0) == Approx(0.5).margin(0.05));
  for (const size_t shift : {1, 2, 8, 16, 64}) {
    CAPTURE(shift);
    CHECK(agreeing(base, base, shift) == Approx(0.5).margin(0.05));
  }
}

TEST_CASE("every instruction set rounds to the same bits, in one call or in several") {
  const uint64_t key = 0xfedcba9876543210u;
  for (const size_t n : {0, 1, 7, 8, 31, 257, 4099}) {
    CAPTURE(n);
    const std::vector<float> values = spread_values(n);
    const auto count = static_cast<int64_t>(n);
    std::vector<uint16_t> plain(n), fast(n);
    round_at_random_reference(values.data(), count, key, 5, plain.data());
    round_at_random_avx2(values.data(), count, key, 5, fast.data());
    CHECK(fast == plain);
    if (has_avx512()) {
      round_at_random_avx512(values.data(), count, key, 5, fast.data());
      CHECK(fast == plain);
    }
    const int64_t cut = count / 3;
    round_at_random(values.data(), cut, key, 5, fast.data());
    round_at_random(values.data() + cut, count - cut, key, 5 + static_cast<uint64_t>(cut),
                    fast.data() + cut);
    CHECK(fast == plain);
  }
}
