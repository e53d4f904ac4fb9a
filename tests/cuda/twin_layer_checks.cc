// Twins of the layers' kernels: gated products, RMSNorm and the loss up to rounding, rounding at
// random bit for bit.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/kernels/bf16_round.h"
#include "core/kernels/cuda_layers.h"
#include "core/kernels/rms_norm.h"
#include "core/kernels/softmax_loss.h"
#include "tests/cuda/there.h"
#include "tests/cuda/twin_checks.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

using Values = std::vector<float>;

Values drawn(int64_t n, uint64_t seed) { return normal_values(static_cast<size_t>(n), seed); }

/// Differences of no more than `share` of the larger of 1 and the value's size.
void check_close(const Values& there, const Values& here, float share) {
  REQUIRE(there.size() == here.size());
  for (size_t i = 0; i < here.size(); ++i) {
    const float most = share * std::max(1.0F, std::abs(here[i]));
    if (!(std::abs(there[i] - here[i]) <= most)) {
      CAPTURE(i, there[i], here[i]);
      FAIL("too far from the CPU's value");
    }
  }
}

void check_gated(Place& place, Gate gate, int64_t n) {
  CAPTURE(static_cast<int>(gate), n);
  Values a = drawn(n, 3);
  const Values b = drawn(n, 4), g = drawn(n, 5);
  for (float& value : a) value *= 4;
  Values y(a.size()), to_a(a.size()), to_b(a.size()), ga(a.size()), gb(a.size());
  gated(gate, a.data(), b.data(), y.data(), to_a.data(), to_b.data(), n);
  gated_back(g.data(), to_a.data(), to_b.data(), ga.data(), gb.data(), n);
  const There<float> a_there(place, a), b_there(place, b), g_there(place, g);
  const There<float> y_there(place, y), to_a_there(place, g), to_b_there(place, g);
  const There<float> ga_there(place, Values(a.size(), -9)), gb_there(place, Values(a.size(), -9));
  CHECK(gated_cuda(gate, a_there.data(), b_there.data(), y_there.data(), to_a_there.data(),
                   to_b_there.data(), n, nullptr) == 0);
  CHECK(gated_back_cuda(g_there.data(), to_a_there.data(), to_b_there.data(), ga_there.data(),
                        gb_there.data(), n, nullptr) == 0);
  check_close(y_there.back(), y, 2e-6F);
  check_close(to_a_there.back(), to_a, 4e-6F);
  check_close(to_b_there.back(), to_b, 2e-6F);
  check_close(ga_there.back(), ga, 2e-5F);
  check_close(gb_there.back(), gb, 1e-5F);
  CHECK(gated_cuda(gate, a_there.data(), b_there.data(), a_there.data(), nullptr, nullptr, n,
                   nullptr) == 0);
  CHECK(a_there.holds(y_there.back()));  // in place, and without slopes
}

void check_norm(Place& place, int64_t rows, int64_t width) {
  CAPTURE(rows, width);
  const Values x = drawn(rows * width, 6), w = drawn(width, 7), g = drawn(rows * width, 8);
  Values y(x.size()), r(static_cast<size_t>(rows)), gx(x.size()), gw(w.size());
  rms_norm(x.data(), w.data(), rows, width, 1e-6, y.data(), r.data());
  rms_norm_back(x.data(), w.data(), r.data(), g.data(), rows, width, gx.data(), gw.data());
  const There<float> x_there(place, x), w_there(place, w), g_there(place, g);
  const There<float> y_there(place, Values(x.size(), -9)), r_there(place, Values(r.size(), -9)),
      gx_there(place, Values(x.size(), -9)), gw_there(place, Values(w.size(), -9));
  CHECK(rms_norm_cuda(x_there.data(), w_there.data(), rows, width, 1e-6, y_there.data(),
                      r_there.data(), nullptr) == 0);
  CHECK(rms_norm_back_cuda(x_there.data(), w_there.data(), r_there.data(), g_there.data(), rows,
                           width, gx_there.data(), gw_there.data(), nullptr) == 0);
  check_close(y_there.back(), y, 4e-6F);
  check_close(r_there.back(), r, 4e-6F);
  check_close(gx_there.back(), gx, 2e-5F);
  check_close(gw_there.back(), gw, 1e-5F * std::sqrt(static_cast<float>(rows)));
  CHECK(rms_norm_back_cuda(x_there.data(), w_there.data(), r_there.data(), g_there.data(), rows,
                           width, y_there.data(), nullptr, nullptr) == 0);
  CHECK(y_there.holds(gx_there.back()));
}

void check_loss(Place& place, int64_t rows, int64_t classes) {
  CAPTURE(rows, classes);
  Values z = drawn(rows * classes, 9);
  if (classes > 2) z[1] = -std::numeric_limits<float>::infinity();
  std::vector<int64_t> target;
  for (int64_t row = 0; row < rows; ++row) target.push_back(row == 0 ? 0 : (7 * row) % classes);
  Values gradient(z.size());
  const double sum = softmax_loss(z.data(), target.data(), rows, classes, 0.5F, gradient.data());
  const There<float> z_there(place, z), gradient_there(place, Values(z.size(), -9));
  const There<double> losses(place, std::vector<double>(target.size(), -9));
  const auto run = [&](const There<int64_t>& targets) {
    CHECK(softmax_loss_cuda(z_there.data(), targets.data(), rows, classes, 0.5F,
                            gradient_there.data(), losses.data(), nullptr) == 0);
  };
  run(There<int64_t>(place, target));
  double total = 0;
  for (const double loss : losses.back()) total += loss;
  CHECK(total == Approx(sum).epsilon(1e-5));
  check_close(gradient_there.back(), gradient, 2e-6F);
  target.back() = classes;
  run(There<int64_t>(place, target));
  CHECK(std::isnan(losses.back().back()));
}

}  // namespace

void check_layer_twins(Place& place) {
  for (const Gate gate : {Gate::gelu_tanh, Gate::silu}) {
    for (const int64_t n : {1, 255, 1000}) check_gated(place, gate, n);
    if (place.fast()) check_gated(place, gate, 3'000'017);
  }
  for (const int64_t width : {1, 33, 300}) {
    for (const int64_t rows : {1, 19}) check_norm(place, rows, width);
  }
  for (const int64_t classes : {2, 31, 700}) {
    for (const int64_t rows : {1, 5}) check_loss(place, rows, classes);
  }
  if (!place.fast()) return;
  check_norm(place, 5000, 4096);
  check_loss(place, 5000, 2000);
}

void check_rounding_twin(Place& place) {
  for (const int64_t n : {int64_t{1}, int64_t{1000}, int64_t{place.fast() ? 2'000'003 : 3000}}) {
    CAPTURE(n);
    Values x = drawn(n, 11);
    x[0] = std::numeric_limits<float>::infinity();
    if (n > 2) x[1] = std::numeric_limits<float>::quiet_NaN();
    constexpr uint64_t kKey = 0x1234567890abcdef, kFirst = 0xfffffff0;  // wraps in 32 bits
    std::vector<uint16_t> here(x.size());
    round_at_random(x.data(), n, kKey, kFirst, here.data());
    const There<float> from(place, x);
    const There<uint16_t> to(place, std::vector<uint16_t>(x.size(), 0x7777));
    CHECK(round_at_random_cuda(from.data(), n, kKey, kFirst, to.data(), nullptr) == 0);
    CHECK(to.holds(here));
  }
}

}  // namespace lethe::kernels
