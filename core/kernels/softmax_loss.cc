// The build adds -O3 -ffp-contract=off: loops become vectors; sums run over 16 fixed lanes.
#include "core/kernels/softmax_loss.h"

#include <cmath>
#include <limits>

#include "core/kernels/exponential.h"
#include "core/kernels/lane_sums.h"

namespace lethe::kernels {
namespace {

/// e = exp(share z - most); their sum.
float powers(const float* z, int64_t n, float share, float most, float* e) {
  for (int64_t i = 0; i < n; ++i) e[i] = decayed(z[i] * share - most);
  return lane_sum(n, [e](int64_t i) { return e[i]; });
}

// The sums below have no conditional term: GCC 12 adds such terms wrongly where the sum becomes
// vectors and -fno-trapping-math is given.

/// sum t z, where a z of minus infinity has a finite stand-in, so that t = 0 leaves it out.
float met(const float* t, const float* z, int64_t n) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  return lane_sum(n, [=](int64_t i) { return t[i] * (z[i] < kLowest ? kLowest : z[i]); });
}

/// sum t log t, where t = 0 adds 0.
float entropy_of(const float* t, int64_t n) {
  constexpr float kNormal = 1.2e-38F;
  return lane_sum(n, [=](int64_t i) { return t[i] * logarithm(t[i] > kNormal ? t[i] : kNormal); });
}

}  // namespace

double softmax_loss(const float* z, const int64_t* target, int64_t rows, int64_t classes,
                    float factor, float* gradient) {
  double loss = 0;
  for (int64_t row = 0; row < rows; ++row, z += classes) {
    const float most = lane_largest(z, classes);
    const float sum = powers(z, classes, 1, most, gradient);
    loss += std::log(static_cast<double>(sum)) + static_cast<double>(most) -
            static_cast<double>(z[target[row]]);
    const float share = factor / sum;
    for (int64_t i = 0; i < classes; ++i) gradient[i] *= share;
    gradient[target[row]] -= factor;
    gradient += classes;
  }
  return loss;
}

double soft_softmax_loss(const float* t, const float* z, int64_t rows, int64_t units,
                         float temperature, bool entropy, float factor, float* gradient) {
  double loss = 0;
  const float share = 1 / temperature, each = factor * share;
  for (int64_t row = 0; row < rows; ++row, t += units, z += units) {
    const float most = lane_largest(z, units) * share;
    const float sum = powers(z, units, share, most, gradient);
    const float kept = lane_sum(units, [t](int64_t i) { return t[i]; });
    const double log_sum = std::log(static_cast<double>(sum)) + static_cast<double>(most);
    loss += log_sum * static_cast<double>(kept) - static_cast<double>(met(t, z, units) * share);
    if (entropy) loss += static_cast<double>(entropy_of(t, units));
    const float scale = kept / sum * each;
    for (int64_t i = 0; i < units; ++i) gradient[i] = gradient[i] * scale - t[i] * each;
    gradient += units;
  }
  return loss;
}

}  // namespace lethe::kernels
