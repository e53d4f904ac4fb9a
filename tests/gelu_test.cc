// GELU in its tanh form against its definition in double precision.
#include "core/kernels/gelu.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

namespace lethe::kernels {
namespace {

struct Exact {
  explicit Exact(double x) {
    const double scale = std::sqrt(2 / std::acos(-1.0));
    // 1 + tanh(u) loses all digits at large negative u; as 2 / (1 + exp(-2u)) it keeps them.
    const double open = 1 / (1 + std::exp(-2 * scale * (x + 0.044715 * x * x * x)));
    value = x * open;
    slope = open + x * 2 * open * (1 - open) * scale * (1 + 3 * 0.044715 * x * x);
  }
  double value = 0, slope = 0;
};

}  // namespace

TEST_CASE("gelu and its derivative are those of the definition, at every length of array") {
  std::vector<float> x;
  for (int step = -4000; step <= 4000; ++step) x.push_back(static_cast<float>(step) * 0.004F);
  for (const size_t n : {size_t{1}, size_t{7}, size_t{8}, size_t{31}, x.size()}) {
    std::vector<float> y(n), alone(n), slope(n);
    gelu_tanh(x.data() + x.size() - n, y.data(), slope.data(), static_cast<int64_t>(n));
    gelu_tanh(x.data() + x.size() - n, alone.data(), nullptr, static_cast<int64_t>(n));
    CHECK(alone == y);  // training and evaluation see one function
    double value_off = 0, slope_off = 0;
    for (size_t i = 0; i < n; ++i) {
      const double at = x[x.size() - n + i];
      const Exact exact(at);
      value_off = std::max(value_off, std::abs(y[i] - exact.value) / std::max(1.0, std::abs(at)));
      slope_off = std::max(slope_off, std::abs(slope[i] - exact.slope));
    }
    CAPTURE(n);
    CHECK(value_off < 2e-7);
    CHECK(slope_off < 4e-7);
  }
}

TEST_CASE("gelu keeps to its limits far out, and NaN stays NaN") {
  const float far = 1e20F, nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {far, -far, 40, -40, 0, nan};
  std::vector<float> y(x.size()), slope(x.size());
  gelu_tanh(x.data(), y.data(), slope.data(), static_cast<int64_t>(x.size()));
  CHECK(y[0] == far);
  CHECK(std::abs(y[1]) < 1e-15F);
  CHECK(y[2] == 40);
  CHECK(std::abs(y[3]) < 1e-30F);
  CHECK(y[4] == 0);
  CHECK(slope[0] == 1);
  CHECK(std::abs(slope[1]) < 1e-30F);
  CHECK(slope[4] == 0.5F);
  CHECK(std::isnan(y[5]));
  CHECK(std::isnan(slope[5]));
}

}  // namespace lethe::kernels
