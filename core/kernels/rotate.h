// Rotary positions (Su et al. 2021, arXiv:2104.09864). Raw pointers, free of libtorch.
#pragma once

#include "core/kernels/attention.h"

namespace lethe::kernels {

/// Turns value i of a head, i < width / 2, with value i + width / 2 by their angle: y_i = x_i cos_i
/// - x_{i + width / 2} sin_i, y_{i + width / 2} = x_{i + width / 2} cos_i + x_i sin_i, or with
/// `back` by its opposite, which is the gradient. x and y (batch, heads, tokens, width); cos and
/// sin (tokens, width), or of every row where `table_batch`, the floats from row to row, is not 0.
/// Their first halves are read. y must not overlap x.
void rotate(const HeadView& x, const HeadSpan& y, int64_t batch, int64_t heads, int64_t tokens,
            int64_t width, const float* cos, const float* sin, int64_t table_batch, bool back);

}  // namespace lethe::kernels
