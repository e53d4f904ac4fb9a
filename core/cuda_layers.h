// The layers' kernels on a GPU. A build without CUDA has cuda_absent.cc, whose functions throw.
#pragma once

#include "core/kernels/gated.h"
#include "core/torch.h"

namespace lethe {

/// The functions of these names in kernels::, with every pointer on the device.
void cuda_gated(int64_t index, kernels::Gate gate, const float* a, const float* b, float* y,
                float* to_a, float* to_b, int64_t n);
void cuda_gated_back(int64_t index, const float* g, const float* to_a, const float* to_b, float* ga,
                     float* gb, int64_t n);
void cuda_rms_norm(int64_t index, const float* x, const float* w, int64_t rows, int64_t width,
                   double epsilon, float* y, float* r);
void cuda_rms_norm_back(int64_t index, const float* x, const float* w, const float* r,
                        const float* g, int64_t rows, int64_t width, float* gx, float* gw);
/// The rows' losses in `losses` (rows).
void cuda_softmax_loss(int64_t index, const float* z, const int64_t* target, int64_t rows,
                       int64_t classes, float factor, float* gradient, double* losses);
void cuda_round_at_random(int64_t index, const float* from, int64_t n, uint64_t key, uint64_t first,
                          uint16_t* to);

}  // namespace lethe
