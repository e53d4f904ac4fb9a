#include "core/kernels/adam8.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/kernels/adam8_isa.h"
#include "core/kernels/byte_map.h"
#include "core/kernels/isa.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

struct Adam8Case {
  explicit Adam8Case(const std::vector<float>& start)
      : value(start),
        gradient(start.size()),
        first_absmax((start.size() + 255) / 256, 7),
        second_absmax(first_absmax),
        first(start.size(), 9),
        second(start.size(), 9) {
    step.n = static_cast<int64_t>(start.size());
    step.value = value.data();
    step.gradient = gradient.data();
    step.first = first.data();
    step.second = second.data();
    step.first_absmax = first_absmax.data();
    step.second_absmax = second_absmax.data();
    step.learning_rate = 0.01;
    step.weight_decay = 0.1;
    clear_moments(step);
  }
  std::vector<float> value, gradient, first_absmax, second_absmax;
  std::vector<uint8_t> first, second;
  Adam8Step step;
};

/// Gradients over many decades, with zeros of both signs among them.
std::vector<float> steep_gradient(size_t n, uint64_t seed) {
  auto g = normal_values(n, seed);
  for (size_t i = 0; i < n; ++i) {
    g[i] = i % 17 == 0 ? std::copysign(0.0f, g[i])
                       : g[i] * std::pow(10.0f, -static_cast<float>(i % 9));
  }
  return g;
}

void check_steps(decltype(&adamw8_avx2) run) {
  for (const size_t n : {1, 7, 31, 32, 255, 256, 300, 5000}) {
    CAPTURE(n);
    Adam8Case fast(normal_values(n, 6)), plain(fast.value);
    for (int t = 1; t <= 8; ++t) {
      fast.gradient = steep_gradient(n, static_cast<uint64_t>(t));
      plain.gradient = fast.gradient;
      fast.step.step = plain.step.step = t;
      fast.step.gradient = fast.gradient.data();
      plain.step.gradient = plain.gradient.data();
      run(fast.step, constants_of(fast.step));
      adamw8_reference(plain.step);
    }
    CHECK(bit_equal(fast.value, plain.value));
    CHECK(bit_equal(fast.first_absmax, plain.first_absmax));
    CHECK(bit_equal(fast.second_absmax, plain.second_absmax));
    CHECK(fast.first == plain.first);
    CHECK(fast.second == plain.second);
    CHECK(fast.gradient == std::vector<float>(n, 0.0f));
  }
}

}  // namespace

TEST_CASE("the first 8-bit step is AdamW's, and keeps the moments as codes", "[adam8]") {
  Adam8Case run({1, -2, 3});
  run.gradient = {0.5f, -0.25f, 0};
  adamw8_step(run.step);
  // Bias correction makes m / sqrt(v) the gradient's sign; the decay takes lr wd = 0.001 first.
  CHECK(run.value[0] == Approx(0.999 - 0.01));
  CHECK(run.value[1] == Approx(-1.998 + 0.01));
  CHECK(run.value[2] == Approx(2.997));
  CHECK(run.gradient == std::vector<float>{0, 0, 0});
  CHECK(run.first_absmax[0] == Approx(0.05));
  CHECK(run.second_absmax[0] == Approx(0.00025));
  const auto& first = signed_dynamic_map();
  const auto& second = unsigned_dynamic_map();
  CHECK(first.value(run.first[0]) == 1);
  CHECK(first.value(run.first[1]) == Approx(-0.5).margin(0.008));
  CHECK(first.value(run.first[2]) == 0);
  CHECK(second.value(run.second[1]) == Approx(0.25).margin(0.004));
}

TEST_CASE("8-bit moments follow 32-bit ones within their codes' width", "[adam8]") {
  const auto start = normal_values(1000, 1);
  Adam8Case run(start);
  std::vector<double> value(start.begin(), start.end()), m(1000), v(1000);
  for (int t = 1; t <= 20; ++t) {
    const auto gradient = normal_values(1000, static_cast<uint64_t>(100 + t));
    run.gradient = gradient;
    run.step.step = t;
    run.step.gradient_scale = 0.5;
    adamw8_step(run.step);
    for (size_t i = 0; i < 1000; ++i) {
      const double g = 0.5 * gradient[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double mean = m[i] / (1 - std::pow(0.9, t));
      const double root = std::sqrt(v[i] / (1 - std::pow(0.999, t)));
      value[i] = value[i] * (1 - 0.01 * 0.1) - 0.01 * mean / (root + 1e-8);
    }
  }
  double moved = 0, apart = 0;
  for (size_t i = 0; i < 1000; ++i) {
    moved += std::fabs(value[i] - start[i]);
    apart += std::fabs(value[i] - run.value[i]);
  }
  CHECK(apart < 0.05 * moved);
}

TEST_CASE("an 8-bit step has the plain loop's bits on every instruction set", "[adam8]") {
  check_steps(adamw8_avx2);
  if (has_avx512()) check_steps(adamw8_avx512);
}

TEST_CASE("a gradient of zeros leaves 8-bit moments at zero", "[adam8]") {
  Adam8Case run(std::vector<float>(300, 1.0f));
  run.step.weight_decay = 0;
  adamw8_step(run.step);
  CHECK(run.value == std::vector<float>(300, 1.0f));
  CHECK(run.first == std::vector<uint8_t>(300, 127));
  CHECK(run.second == std::vector<uint8_t>(300, 0));
  CHECK(run.second_absmax == std::vector<float>{0, 0});
}

TEST_CASE("the gradient is kept where asked", "[adam8]") {
  Adam8Case run({1, 2});
  run.gradient = {3, 4};
  run.step.zero_gradient = false;
  adamw8_step(run.step);
  CHECK(run.gradient == std::vector<float>{3, 4});
}

TEST_CASE("a bad 8-bit step is refused", "[adam8]") {
  Adam8Case run({1});
  run.step.step = 0;
  CHECK_THROWS_WITH(adamw8_step(run.step), "an 8-bit Adam update at step 0; steps count from 1");
  run.step.step = 1;
  run.step.second = nullptr;
  CHECK_THROWS_WITH(adamw8_step(run.step),
                    "an 8-bit Adam update without values, gradient or moments; lay out all six "
                    "arrays first");
}

}  // namespace lethe::kernels
