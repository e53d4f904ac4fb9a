// Cross-entropies of softmax outputs against their definitions in double precision.
#include "core/kernels/softmax_loss.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"

namespace lethe::kernels {
namespace {

struct Row {
  double loss = 0;
  std::vector<double> gradient;
};

/// -sum t log softmax(z / T), with sum t log t added, and its gradient, of one row.
Row exact(const float* t, const float* z, size_t units, double temperature, bool entropy) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0, kept = 0;
  for (size_t u = 0; u < units; ++u) most = std::max(most, z[u] / temperature);
  for (size_t u = 0; u < units; ++u) sum += std::exp(z[u] / temperature - most);
  Row row;
  for (size_t u = 0; u < units; ++u) {
    const double target = t[u];
    kept += target;
    if (target > 0) row.loss -= target * (z[u] / temperature - most - std::log(sum));
    if (target > 0 && entropy) row.loss += target * std::log(target);
  }
  for (size_t u = 0; u < units; ++u) {
    const double p = std::exp(z[u] / temperature - most) / sum;
    row.gradient.push_back((p * kept - t[u]) / temperature);
  }
  return row;
}

std::vector<float> drawn(Random& random, size_t n, float scale) {
  std::vector<float> values;
  for (size_t i = 0; i < n; ++i) {
    values.push_back(scale * (static_cast<float>(random.below(20001)) / 10000 - 1));
  }
  return values;
}

}  // namespace

TEST_CASE("the loss of classes and its gradient are those of the definition") {
  Random random(3);
  for (const size_t classes : {size_t{1}, size_t{5}, size_t{16}, size_t{77}, size_t{512}}) {
    CAPTURE(classes);
    const size_t rows = 3;
    const std::vector<float> z = drawn(random, rows * classes, 20);
    std::vector<int64_t> target;
    for (size_t r = 0; r < rows; ++r) target.push_back(static_cast<int64_t>(random.below(classes)));
    std::vector<float> gradient(z.size());
    const auto n = static_cast<int64_t>(classes);
    const double loss = softmax_loss(z.data(), target.data(), 3, n, 0.5F, gradient.data());
    double expected = 0, off = 0;
    for (size_t r = 0; r < rows; ++r) {
      std::vector<float> one(classes);
      one[static_cast<size_t>(target[r])] = 1;
      const Row row = exact(one.data(), z.data() + r * classes, classes, 1, false);
      expected += row.loss;
      for (size_t u = 0; u < classes; ++u) {
        off = std::max(off, std::abs(gradient[r * classes + u] - 0.5 * row.gradient[u]));
      }
    }
    CHECK(loss == Approx(expected).epsilon(1e-6).margin(1e-6));
    CHECK(off < 1e-6);
  }
}

TEST_CASE("a class at minus infinity has probability 0, and NaN stays NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> z = {1, -infinity, 2}, gradient(3);
  const int64_t target = 0;
  const double loss = softmax_loss(z.data(), &target, 1, 3, 1, gradient.data());
  CHECK(loss == Approx(std::log(1 + std::exp(1.0))).epsilon(1e-6));
  CHECK(gradient[1] == 0);
  z[2] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(softmax_loss(z.data(), &target, 1, 3, 1, gradient.data())));
}

TEST_CASE("a unit at minus infinity that the teacher lacks has no part") {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> t(70), z(70), gradient(70), known(69);
  for (size_t u = 0; u < 69; ++u) z[u] = static_cast<float>(u % 5), t[u] = 1.0F / 69;
  z[69] = -infinity;
  const double loss = soft_softmax_loss(t.data(), z.data(), 1, 70, 2, true, 1, gradient.data());
  CHECK(
      loss ==
      Approx(soft_softmax_loss(t.data(), z.data(), 1, 69, 2, true, 1, known.data())).epsilon(1e-6));
  CHECK(gradient[69] == 0);
}

TEST_CASE("the loss of soft targets and its gradient are those of the definition") {
  Random random(4);
  for (const bool entropy : {false, true}) {
    for (const size_t units : {size_t{2}, size_t{65}, size_t{512}}) {
      CAPTURE(entropy, units);
      const std::vector<float> z = drawn(random, units, 9), raw = drawn(random, units, 9);
      std::vector<float> t(units);
      float sum = 0;
      for (size_t u = 0; u < units; ++u) sum += t[u] = u % 7 == 3 ? 0 : std::exp(raw[u]);
      for (float& value : t) value /= sum;
      std::vector<float> gradient(units);
      const auto n = static_cast<int64_t>(units);
      const double loss =
          soft_softmax_loss(t.data(), z.data(), 1, n, 2, entropy, 0.25F, gradient.data());
      const Row row = exact(t.data(), z.data(), units, 2, entropy);
      double off = 0;
      for (size_t u = 0; u < units; ++u) {
        off = std::max(off, std::abs(gradient[u] - 0.25 * row.gradient[u]));
      }
      CHECK(loss == Approx(row.loss).epsilon(1e-5).margin(1e-6));
      CHECK(off < 1e-7);
    }
  }
}

TEST_CASE("gradients equal finite differences of the losses") {
  Random random(11);
  for (const size_t units : {size_t{5}, size_t{90}}) {
    CAPTURE(units);
    const std::vector<float> z = drawn(random, units, 4);
    std::vector<float> t = drawn(random, units, 1), once(units), hard(units), soft(units);
    float sum = 0;
    for (float& target : t) sum += target += 1;
    for (float& target : t) target /= sum;
    const int64_t target = 3, n = static_cast<int64_t>(units);
    once[3] = 1;
    softmax_loss(z.data(), &target, 1, n, 1, hard.data());
    soft_softmax_loss(t.data(), z.data(), 1, n, 2, true, 1, soft.data());
    // Steps that float holds exactly, of the losses in double.
    constexpr float kStep = 0x1p-10F;
    for (size_t u = 0; u < units; ++u) {
      std::vector<float> up = z, down = z;
      up[u] += kStep;
      down[u] -= kStep;
      const double width = static_cast<double>(up[u]) - static_cast<double>(down[u]);
      const auto slope = [&](const std::vector<float>& targets, double temperature, bool entropy) {
        return (exact(targets.data(), up.data(), units, temperature, entropy).loss -
                exact(targets.data(), down.data(), units, temperature, entropy).loss) /
               width;
      };
      CHECK(hard[u] == Approx(slope(once, 1, false)).margin(2e-6));
      CHECK(soft[u] == Approx(slope(t, 2, true)).margin(2e-6));
    }
  }
}

}  // namespace lethe::kernels
