// GELU in its tanh form. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// y_i = x_i / 2 (1 + tanh(sqrt(2 / pi) (x_i + 0.044715 x_i^3))) (Hendrycks & Gimpel 2016,
/// arXiv:1606.08415, eq. 2), and its derivative at x_i where `slope` is not null. All (n); y may be
/// x. Within 4e-7 of |x| (1e-6 for the slope) of exact arithmetic; NaN stays NaN. One exponential a
/// value: the tanh form is x times the logistic function of twice the tanh's argument.
void gelu_tanh(const float* x, float* y, float* slope, int64_t n);

}  // namespace lethe::kernels
