// The fused update for x86-64-v4. The build adds -march=x86-64-v4 -O3 -fno-math-errno
// -ffp-contract=off.
#include "core/kernels/bf16_round_loop.h"
#include "core/kernels/update_loop.h"

namespace lethe::kernels {

double update_avx512(const Update& step) { return run_update(step); }
double squared_norm_avx512(const Update& step) { return run_squared_norm(step); }
void round_at_random_avx512(const float* from, int64_t n, uint64_t key, uint64_t first,
                            uint16_t* to) {
  run_rounding(from, n, key, first, to);
}

}  // namespace lethe::kernels
