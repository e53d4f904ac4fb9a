// The dot product of flat float arrays. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// sum_i a_i b_i in double precision, over 16 fixed lanes; a and b (n), no alignment needed.
double dot(const float* a, const float* b, int64_t n);

}  // namespace lethe::kernels
