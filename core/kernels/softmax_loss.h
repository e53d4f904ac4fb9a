// Cross-entropies of softmax outputs with their gradients, one row at a time while it lies in the
// nearest cache. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// The sum over rows of -log softmax(z)[target], z (rows, classes), targets in [0, classes);
/// gradient (rows, classes) becomes factor (softmax(z) - onehot(target)). Sums of a row in float,
/// over rows in double. A class at -inf has probability 0; NaN stays NaN.
double softmax_loss(const float* z, const int64_t* target, int64_t rows, int64_t classes,
                    float factor, float* gradient);

/// The sum over rows of -sum_u t_u log softmax(z / T)_u, with `entropy` plus sum_u t_u log t_u;
/// targets t and z (rows, units), T the temperature. Gradient as above: factor (softmax(z / T)
/// sum(t) - t) / T. Units with t = 0 have no part in the sums.
double soft_softmax_loss(const float* t, const float* z, int64_t rows, int64_t units,
                         float temperature, bool entropy, float factor, float* gradient);

}  // namespace lethe::kernels
