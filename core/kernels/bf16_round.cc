#include "core/kernels/bf16_round.h"

#include "core/kernels/bf16_round_loop.h"
#include "core/kernels/update_isa.h"

namespace lethe::kernels {

void round_at_random(const float* from, int64_t n, uint64_t key, uint64_t first, uint16_t* to) {
  const auto run = use_avx512() ? round_at_random_avx512 : round_at_random_avx2;
  run(from, n, key, first, to);
}

void round_at_random_reference(const float* from, int64_t n, uint64_t key, uint64_t first,
                               uint16_t* to) {
  run_rounding(from, n, key, first, to);
}

}  // namespace lethe::kernels
