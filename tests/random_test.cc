#include "core/random.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"

using lethe::Random;

TEST_CASE("splitmix64 gives its published sequence for seed 0") {
  uint64_t state = 0;
  CHECK(lethe::splitmix64(state) == 0xe220a8397b1dcdaf);
  CHECK(lethe::splitmix64(state) == 0x6e789e6aa1b965f4);
  CHECK(lethe::splitmix64(state) == 0x06c45d188009454f);
}

// A second implementation in Python gave these.
TEST_CASE("a seed always gives the same bits") {
  Random one(1);
  CHECK(one.next() == 0xb3f2af6d0fc710c5);
  CHECK(one.next() == 0x853b559647364cea);
  CHECK(one.next() == 0x92f89756082a4514);
  CHECK(Random(42).next() == 0x15780b2e0c2ec716);
}

TEST_CASE("seed and stream give sequences of their own, in this order") {
  CHECK(Random(1, 2).next() == Random(1, 2).next());
  CHECK(Random(1, 2).next() != Random(2, 1).next());
  CHECK(Random(1, 2).next() != Random(1, 3).next());
  CHECK(Random(0, 0).next() != Random(0, 1).next());
  CHECK(Random(5, 5).next() != Random(6, 6).next());
}

TEST_CASE("below gives each number equally often and none outside") {
  Random random(7);
  std::vector<int> seen(6, 0);
  for (int i = 0; i < 60000; ++i) ++seen.at(random.below(6));
  double chi_square = 0;
  for (const int count : seen) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
  CHECK(chi_square < 20.5);  // 5 degrees of freedom, p = 0.001
  CHECK(random.below(1) == 0);
}

TEST_CASE("below refuses a bound that leaves no number") {
  Random random(1);
  CHECK_THROWS_WITH(random.below(0),
                    "a random number below 0 does not exist; the bound must be > 0");
}

TEST_CASE("uniform and normal have their mean and variance") {
  Random random(11);
  constexpr int kDraws = 200000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    REQUIRE((u >= 0 && u < 1));
    uniform += u;
    const double z = random.normal();
    normal += z;
    square += z * z;
  }
  CHECK(uniform / kDraws == Approx(0.5).margin(0.003));
  CHECK(normal / kDraws == Approx(0).margin(0.01));
  CHECK(square / kDraws == Approx(1).margin(0.015));
}

TEST_CASE("a shuffle keeps the values and makes every order of three equally likely") {
  Random random(3);
  std::vector<int> seen(27, 0);
  for (int i = 0; i < 60000; ++i) {
    std::vector<int64_t> order = lethe::permutation(3, random);
    ++seen.at(order[0] * 9 + order[1] * 3 + order[2]);
  }
  CHECK(std::count(seen.begin(), seen.end(), 0) == 21);
  for (const int count : seen) CHECK((count == 0 || std::abs(count - 10000) < 400));
  std::vector<int64_t> empty;
  random.shuffle(empty);
  CHECK(empty.empty());
}
