// The fused update for x86-64-v3. The build adds -march=x86-64-v3 -O3 -fno-math-errno
// -ffp-contract=off.
#include "core/kernels/update_loop.h"

namespace lethe::kernels {

double update_avx2(const Update& step) { return run_update(step); }
double squared_norm_avx2(const Update& step) { return run_squared_norm(step); }

}  // namespace lethe::kernels
