// RMSNorm and rotary positions against their definitions in double precision.
#include "core/kernels/rms_norm.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/kernels/rotate.h"

namespace lethe::kernels {
namespace {

std::vector<float> waves(size_t n, double step) {
  std::vector<float> values;
  for (size_t i = 0; i < n; ++i) {
    values.push_back(static_cast<float>(std::sin(step * static_cast<double>(i + 1))));
  }
  return values;
}

/// sum of g y with y = x w / sqrt(mean(x^2) + epsilon) over one row.
double loss(const std::vector<double>& x, const std::vector<double>& w,
            const std::vector<float>& g) {
  double squares = 0, sum = 0;
  for (const double value : x) squares += value * value;
  const double root = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
  for (size_t i = 0; i < x.size(); ++i) sum += g[i] * x[i] * root * w[i];
  return sum;
}

}  // namespace

TEST_CASE("rms norm's values and gradients are those of the definition") {
  constexpr double kStep = 1e-5;
  for (const size_t width : {size_t{1}, size_t{15}, size_t{16}, size_t{50}}) {
    CAPTURE(width);
    const std::vector<float> x = waves(width, 0.7), w = waves(width, 0.3), g = waves(width, 1.9);
    const std::vector<double> exact_x(x.begin(), x.end()), exact_w(w.begin(), w.end());
    std::vector<float> y(width), gx(width), gw(width);
    float root = 0;
    const auto n = static_cast<int64_t>(width);
    rms_norm(x.data(), w.data(), 1, n, 1e-6, y.data(), &root);
    rms_norm_back(x.data(), w.data(), &root, g.data(), 1, n, gx.data(), gw.data());
    double made = 0;
    for (size_t i = 0; i < width; ++i) made += static_cast<double>(g[i]) * y[i];
    CHECK(made == Approx(loss(exact_x, exact_w, g)).epsilon(1e-5).margin(1e-6));
    for (size_t i = 0; i < width; ++i) {
      std::vector<double> more = exact_x, less = exact_x;
      more[i] += kStep;
      less[i] -= kStep;
      const double slope = (loss(more, exact_w, g) - loss(less, exact_w, g)) / (2 * kStep);
      CHECK(gx[i] == Approx(slope).epsilon(1e-4).margin(2e-5));
      CHECK(gw[i] == Approx(static_cast<double>(g[i]) * x[i] * root).epsilon(1e-5).margin(1e-7));
    }
  }
}

TEST_CASE("gradients of the gain add over rows, and may be left out") {
  const std::vector<float> x = waves(60, 0.7), w = waves(20, 0.3), g = waves(60, 1.9);
  std::vector<float> y(60), roots(3), gx(60), alone(60), gw(20), expected(20);
  rms_norm(x.data(), w.data(), 3, 20, 1e-6, y.data(), roots.data());
  rms_norm_back(x.data(), w.data(), roots.data(), g.data(), 3, 20, gx.data(), gw.data());
  rms_norm_back(x.data(), w.data(), roots.data(), g.data(), 3, 20, alone.data(), nullptr);
  CHECK(gx == alone);
  for (size_t row = 0; row < 3; ++row) {
    for (size_t i = 0; i < 20; ++i) expected[i] += g[row * 20 + i] * (x[row * 20 + i] * roots[row]);
  }
  CHECK(gw == expected);
}

TEST_CASE("a rotation turns both halves of a head, and back again") {
  // Two rows, two heads of width 6, three tokens; in memory by token, out by head.
  const int64_t batch = 2, heads = 2, tokens = 3, width = 6;
  const std::vector<float> x = waves(72, 0.7);
  std::vector<float> cos(18), sin(18), y(72), back(72);
  for (size_t i = 0; i < 18; ++i) {
    const double angle = static_cast<double>(i / 6) * (1 + static_cast<double>(i % 3));
    cos[i] = static_cast<float>(std::cos(angle));
    sin[i] = static_cast<float>(std::sin(angle));
  }
  const HeadView by_token{x.data(), 36, 6, 12};
  rotate(by_token, {y.data(), 36, 18, 6}, batch, heads, tokens, width, cos.data(), sin.data(), 0,
         false);
  for (size_t b = 0; b < 2; ++b) {
    for (size_t h = 0; h < 2; ++h) {
      for (size_t t = 0; t < 3; ++t) {
        const float* from = x.data() + b * 36 + t * 12 + h * 6;
        const float* to = y.data() + b * 36 + h * 18 + t * 6;
        for (size_t i = 0; i < 3; ++i) {
          const double c = cos[t * 6 + i], s = sin[t * 6 + i];
          CHECK(to[i] == Approx(from[i] * c - from[i + 3] * s).margin(1e-6));
          CHECK(to[i + 3] == Approx(from[i + 3] * c + from[i] * s).margin(1e-6));
        }
      }
    }
  }
  rotate({y.data(), 36, 18, 6}, {back.data(), 36, 6, 12}, batch, heads, tokens, width, cos.data(),
         sin.data(), 0, true);
  for (size_t i = 0; i < 72; ++i) CHECK(back[i] == Approx(x[i]).margin(1e-6));
}

}  // namespace lethe::kernels
