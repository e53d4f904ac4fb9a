// The build adds -O3 -ffp-contract=off, as for the fused update.
#include "core/kernels/dot.h"

namespace lethe::kernels {

double dot(const float* a, const float* b, int64_t n) {
  constexpr int64_t kLanes = 16;
  double lane[kLanes] = {};
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) {
      lane[k] += static_cast<double>(a[i + k]) * static_cast<double>(b[i + k]);
    }
  }
  double sum = 0;
  for (const double part : lane) sum += part;
  for (int64_t i = whole; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace lethe::kernels
