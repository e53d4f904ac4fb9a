// The CUDA twins of the kernels that layers, the loss and the rounding of values call, by the rules
// of core/kernels/cuda.h. Results are the CPU's to rounding, those of round_at_random bit for bit.
#pragma once

#include <cstdint>

#include "core/kernels/gated.h"

namespace lethe::kernels {

/// gated, gated_back.
int gated_cuda(Gate gate, const float* a, const float* b, float* y, float* to_a, float* to_b,
               int64_t n, void* stream);
int gated_back_cuda(const float* g, const float* to_a, const float* to_b, float* ga, float* gb,
                    int64_t n, void* stream);

/// rms_norm, rms_norm_back.
int rms_norm_cuda(const float* x, const float* w, int64_t rows, int64_t width, double epsilon,
                  float* y, float* r, void* stream);
int rms_norm_back_cuda(const float* x, const float* w, const float* r, const float* g, int64_t rows,
                       int64_t width, float* gx, float* gw, void* stream);

/// softmax_loss with the loss of each row in `losses` (rows) in place of their sum. That of a row
/// whose target is no class is NaN.
int softmax_loss_cuda(const float* z, const int64_t* target, int64_t rows, int64_t classes,
                      float factor, float* gradient, double* losses, void* stream);

/// round_at_random.
int round_at_random_cuda(const float* from, int64_t n, uint64_t key, uint64_t first, uint16_t* to,
                         void* stream);

}  // namespace lethe::kernels
