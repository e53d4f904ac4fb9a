// Rounding float32 to bfloat16, whose bits are the upper half of a float32's. Raw pointers, free of
// libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// to[i] = one of the two bfloat16 values beside from[i], each with the probability that makes the
/// mean from[i]: the 16 bits that are dropped are added to 16 random ones, and the carry decides. A
/// value that bfloat16 has stays. What is not finite is cut off. The bits of value i depend on
/// `key` and `first` + i alone (its lower 32 bits): not on how values are split into calls.
void round_at_random(const float* from, int64_t n, uint64_t key, uint64_t first, uint16_t* to);

/// The same by the plain loop.
void round_at_random_reference(const float* from, int64_t n, uint64_t key, uint64_t first,
                               uint16_t* to);

}  // namespace lethe::kernels
