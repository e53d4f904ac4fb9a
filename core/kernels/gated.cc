// The build adds -O3 -ffp-contract=off, as for core/kernels/gelu.cc.
#include "core/kernels/gated.h"

#include "core/kernels/gates.h"

namespace lethe::kernels {
namespace {

template <Activated (*kGate)(float)>
void run_gated(const float* a, const float* b, float* y, float* to_a, float* to_b, int64_t n) {
  if (to_a == nullptr) {
    for (int64_t i = 0; i < n; ++i) y[i] = kGate(a[i]).value * b[i];
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const Activated gate = kGate(a[i]);
    to_a[i] = gate.slope * b[i];
    to_b[i] = gate.value;
    y[i] = gate.value * b[i];
  }
}

}  // namespace

void gated(Gate gate, const float* a, const float* b, float* y, float* to_a, float* to_b,
           int64_t n) {
  const auto run = gate == Gate::silu ? run_gated<silu_of> : run_gated<gelu_of>;
  run(a, b, y, to_a, to_b, n);
}

void gated_back(const float* g, const float* to_a, const float* to_b, float* ga, float* gb,
                int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    ga[i] = g[i] * to_a[i];
    gb[i] = g[i] * to_b[i];
  }
}

}  // namespace lethe::kernels
