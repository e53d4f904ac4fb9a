// The fused update for x86-64-v4. The build adds -march=x86-64-v4 -O3 -fno-math-errno
// -ffp-contract=off.
#include "core/kernels/update_loop.h"

namespace lethe::kernels {

double update_avx512(const Update& step) { return run_update(step); }
double squared_norm_avx512(const Update& step) { return run_squared_norm(step); }

}  // namespace lethe::kernels
