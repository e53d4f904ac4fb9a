// Gated feed-forward layers: an activation times a second product. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

enum class Gate { gelu_tanh, silu };

/// y_i = f(a_i) b_i (Shazeer 2020, arXiv:2002.05202), all (n); y may be a or b. Where they are not
/// null, to_a and to_b become what the gradient of y is multiplied by for those of a and b:
/// f'(a_i) b_i and f(a_i). y has the same bits either way. f within 4e-7 of |a|, as in
/// core/kernels/gelu.h.
void gated(Gate gate, const float* a, const float* b, float* y, float* to_a, float* to_b,
           int64_t n);

/// ga_i = g_i to_a_i, gb_i = g_i to_b_i, all (n).
void gated_back(const float* g, const float* to_a, const float* to_b, float* ga, float* gb,
                int64_t n);

}  // namespace lethe::kernels
