// The build adds -O3 -ffp-contract=off: loops become vectors; sums run over 16 fixed lanes.
#include "core/kernels/rms_norm.h"

#include <cmath>
#include <cstring>

#include "core/kernels/lane_sums.h"

namespace lethe::kernels {
namespace {

/// The sum of x^2 in the order of libtorch's sums over short rows: four registers of 8 lanes.
float squares_of(const float* x, int64_t n) {
  constexpr int kLanes = 8, kHeld = 4 * kLanes;
  float lanes[kHeld] = {};
  int64_t i = 0;
  for (; i + kHeld <= n; i += kHeld) {
    for (int lane = 0; lane < kHeld; ++lane) lanes[lane] += x[i + lane] * x[i + lane];
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += x[i] * x[i];
  for (int held = kLanes; held < kHeld; held += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += lanes[held + lane];
  }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

}  // namespace

void rms_norm(const float* x, const float* w, int64_t rows, int64_t width, double epsilon, float* y,
              float* r) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    const float mean = squares_of(x, width) / static_cast<float>(width);
    const float root = 1 / std::sqrt(mean + static_cast<float>(epsilon));
    r[row] = root;
    for (int64_t i = 0; i < width; ++i) y[i] = x[i] * root * w[i];
  }
}

void rms_norm_back(const float* x, const float* w, const float* r, const float* g, int64_t rows,
                   int64_t width, float* gx, float* gw) {
  if (gw != nullptr) std::memset(gw, 0, static_cast<size_t>(width) * sizeof(float));
  for (int64_t row = 0; row < rows; ++row, x += width, g += width, gx += width) {
    const float root = r[row];
    const float along = lane_sum(width, [=](int64_t i) { return g[i] * w[i] * x[i]; });
    const float pull = along / static_cast<float>(width) * root * root;
    for (int64_t i = 0; i < width; ++i) gx[i] = root * (g[i] * w[i] - x[i] * pull);
    if (gw == nullptr) continue;
    for (int64_t i = 0; i < width; ++i) gw[i] += g[i] * (x[i] * root);
  }
}

}  // namespace lethe::kernels
