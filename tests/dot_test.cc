// The dot product in double precision against the plain sum.
#include "core/kernels/dot.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace lethe::kernels {

TEST_CASE("the dot product counts every value once, in double precision", "[dot]") {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  for (const int64_t n : {0, 1, 15, 16, 17, 1000, 4099}) {
    CAPTURE(n);
    std::vector<float> a(static_cast<size_t>(n)), b(static_cast<size_t>(n));
    long double expected = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = normal(engine);
      b[i] = normal(engine);
      expected += static_cast<long double>(a[i]) * b[i];
    }
    CHECK(dot(a.data(), b.data(), n) == Approx(static_cast<double>(expected)).epsilon(1e-12));
  }
  // In single precision the small part would be lost.
  const std::vector<float> large = {1e8F, 1, -1e8F}, ones = {1, 1, 1};
  CHECK(dot(large.data(), ones.data(), 3) == 1);
}

}  // namespace lethe::kernels
