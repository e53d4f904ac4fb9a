// The build adds -O3 -ffp-contract=off, as for the fused update: the loop becomes vectors.
#include "core/kernels/gelu.h"

#include "core/kernels/gates.h"

namespace lethe::kernels {

void gelu_tanh(const float* x, float* y, float* slope, int64_t n) {
  if (slope == nullptr) {
    for (int64_t i = 0; i < n; ++i) y[i] = gelu_of(x[i]).value;
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const Activated gate = gelu_of(x[i]);
    slope[i] = gate.slope;
    y[i] = gate.value;
  }
}

}  // namespace lethe::kernels
