#include "core/cuda_layers.h"

#include "core/cuda_queue.h"
#include "core/kernels/cuda_layers.h"

namespace lethe {

void cuda_gated(int64_t index, kernels::Gate gate, const float* a, const float* b, float* y,
                float* to_a, float* to_b, int64_t n) {
  const Queue queue(index);
  check_cuda(kernels::gated_cuda(gate, a, b, y, to_a, to_b, n, queue.stream.stream()), index,
             "a gated product");
}

void cuda_gated_back(int64_t index, const float* g, const float* to_a, const float* to_b, float* ga,
                     float* gb, int64_t n) {
  const Queue queue(index);
  check_cuda(kernels::gated_back_cuda(g, to_a, to_b, ga, gb, n, queue.stream.stream()), index,
             "the gradient of a gated product");
}

void cuda_rms_norm(int64_t index, const float* x, const float* w, int64_t rows, int64_t width,
                   double epsilon, float* y, float* r) {
  const Queue queue(index);
  check_cuda(kernels::rms_norm_cuda(x, w, rows, width, epsilon, y, r, queue.stream.stream()), index,
             "a norm");
}

void cuda_rms_norm_back(int64_t index, const float* x, const float* w, const float* r,
                        const float* g, int64_t rows, int64_t width, float* gx, float* gw) {
  const Queue queue(index);
  check_cuda(kernels::rms_norm_back_cuda(x, w, r, g, rows, width, gx, gw, queue.stream.stream()),
             index, "the gradient of a norm");
}

void cuda_softmax_loss(int64_t index, const float* z, const int64_t* target, int64_t rows,
                       int64_t classes, float factor, float* gradient, double* losses) {
  const Queue queue(index);
  check_cuda(kernels::softmax_loss_cuda(z, target, rows, classes, factor, gradient, losses,
                                        queue.stream.stream()),
             index, "a loss");
}

void cuda_round_at_random(int64_t index, const float* from, int64_t n, uint64_t key, uint64_t first,
                          uint16_t* to) {
  const Queue queue(index);
  check_cuda(kernels::round_at_random_cuda(from, n, key, first, to, queue.stream.stream()), index,
             "rounding at random");
}

}  // namespace lethe
