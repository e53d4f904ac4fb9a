// RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467). Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// y = x r w with r = 1 / sqrt(mean(x^2) + epsilon) of each of the rows: x and y (rows, width), w
/// (width), r (rows), which is kept for the gradient. Where width is a multiple of 32 and below
/// 1,024, y has the bits of libtorch's operators with AVX2.
void rms_norm(const float* x, const float* w, int64_t rows, int64_t width, double epsilon, float* y,
              float* r);

/// For g, the gradient of y, with h = g w: gx = r (h - x r^2 mean(h x)), and where it is not null
/// gw = sum over rows of g x r, both written, not added to. Sums over rows run in their order.
void rms_norm_back(const float* x, const float* w, const float* r, const float* g, int64_t rows,
                   int64_t width, float* gx, float* gw);

}  // namespace lethe::kernels
