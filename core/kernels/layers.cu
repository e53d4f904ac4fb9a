// Gated products, RMSNorm and the loss of tokens on a GPU: one pass over memory each, as
// core/kernels/gated.cc, rms_norm.cc and softmax_loss.cc, whose arithmetic they keep but for the
// exponential and the order of sums.
#include <cmath>

#include "core/kernels/cuda_layers.h"
#include "core/kernels/cuda_sums.h"

namespace lethe::kernels {
namespace {

struct Activated {
  float value, slope;
};

/// As core/kernels/gates.h.
__device__ inline Activated gelu_of(float given) {
  constexpr float kScale = 1.59576912f, kCube = 0.044715f;
  const float low = given < -10.0f ? -10.0f : given, x = low > 10.0f ? 10.0f : low;
  const float close = expf(-kScale * (x + kCube * x * x * x)), open = 1.0f / (1.0f + close);
  const float steep = kScale * (1.0f + 3.0f * kCube * x * x);
  return {given * open, open + x * steep * (close * open) * open};
}

__device__ inline Activated silu_of(float given) {
  const float low = given < -87.0f ? -87.0f : given, x = low > 87.0f ? 87.0f : low;
  const float close = expf(-x), open = 1.0f / (1.0f + close);
  return {given * open, open + x * (close * open) * open};
}

__global__ void gated_values(Gate gate, const float* a, const float* b, float* y, float* to_a,
                             float* to_b, int64_t n) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) {
    const Activated left = gate == Gate::silu ? silu_of(a[i]) : gelu_of(a[i]);
    const float right = b[i];  // y may be a or b
    if (to_a != nullptr) {
      to_a[i] = left.slope * right;
      to_b[i] = left.value;
    }
    y[i] = left.value * right;
  }
}

__global__ void gated_gradients(const float* g, const float* to_a, const float* to_b, float* ga,
                                float* gb, int64_t n) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) {
    const float gradient = g[i];
    ga[i] = gradient * to_a[i];
    gb[i] = gradient * to_b[i];
  }
}

__global__ void normed_rows(const float* x, const float* w, int64_t rows, int64_t width,
                            float epsilon, float* y, float* r) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* from = x + row * width;
    float squares = 0;
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x) squares += from[i] * from[i];
    const float mean = block_sum(squares) / static_cast<float>(width);
    const float root = 1.0f / sqrtf(mean + epsilon);
    if (threadIdx.x == 0) r[row] = root;
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x) {
      y[row * width + i] = from[i] * root * w[i];
    }
  }
}

__global__ void norm_gradients(const float* x, const float* w, const float* r, const float* g,
                               int64_t rows, int64_t width, float* gx) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float *from = x + row * width, *gradient = g + row * width;
    const float root = r[row];
    float mine = 0;
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x) mine += gradient[i] * w[i] * from[i];
    const float pull = block_sum(mine) / static_cast<float>(width) * root * root;
    for (int64_t i = threadIdx.x; i < width; i += blockDim.x) {
      gx[row * width + i] = root * (gradient[i] * w[i] - from[i] * pull);
    }
  }
}

constexpr int kColumns = 32, kDown = kThreads / kColumns;

/// A block sums 32 columns, eight rows at a time.
__global__ void gain_gradients(const float* x, const float* r, const float* g, int64_t rows,
                               int64_t width, float* gw) {
  __shared__ float sums[kThreads];
  const int64_t column = int64_t{blockIdx.x} * kColumns + threadIdx.x % kColumns;
  float mine = 0;
  if (column < width) {
    for (int64_t row = threadIdx.x / kColumns; row < rows; row += kDown) {
      const int64_t i = row * width + column;
      mine += g[i] * (x[i] * r[row]);
    }
  }
  sums[threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.x >= kColumns || column >= width) return;
  float sum = 0;
  for (int down = 0; down < kDown; ++down) sum += sums[down * kColumns + threadIdx.x];
  gw[column] = sum;
}

__global__ void row_losses(const float* z, const int64_t* target, int64_t rows, int64_t classes,
                           float factor, float* gradient, double* losses) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* from = z + row * classes;
    float* to = gradient + row * classes;
    float mine = -INFINITY;
    for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) mine = fmaxf(mine, from[i]);
    const float most = block_largest(mine);
    float powers = 0;
    for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) {
      to[i] = expf(from[i] - most);
      powers += to[i];
    }
    const float sum = block_sum(powers), share = factor / sum;
    const int64_t right = target[row];
    for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) {
      to[i] = to[i] * share - (i == right ? factor : 0.0f);
    }
    if (threadIdx.x > 0) continue;
    losses[row] = right < 0 || right >= classes
                      ? static_cast<double>(NAN)
                      : log(static_cast<double>(sum)) + static_cast<double>(most) -
                            static_cast<double>(from[right]);
  }
}

int64_t grid_for(int64_t n) { return grid_of((n - 1) / kThreads + 1); }

}  // namespace

int gated_cuda(Gate gate, const float* a, const float* b, float* y, float* to_a, float* to_b,
               int64_t n, void* stream) {
  if (n == 0) return 0;
  return launch(gated_values, grid_for(n), kThreads, stream, gate, a, b, y, to_a, to_b, n);
}

int gated_back_cuda(const float* g, const float* to_a, const float* to_b, float* ga, float* gb,
                    int64_t n, void* stream) {
  if (n == 0) return 0;
  return launch(gated_gradients, grid_for(n), kThreads, stream, g, to_a, to_b, ga, gb, n);
}

int rms_norm_cuda(const float* x, const float* w, int64_t rows, int64_t width, double epsilon,
                  float* y, float* r, void* stream) {
  if (rows == 0) return 0;
  return launch(normed_rows, grid_of(rows), threads_for(width), stream, x, w, rows, width,
                static_cast<float>(epsilon), y, r);
}

int rms_norm_back_cuda(const float* x, const float* w, const float* r, const float* g, int64_t rows,
                       int64_t width, float* gx, float* gw, void* stream) {
  if (gw != nullptr) {
    const int failed = launch(gain_gradients, (width - 1) / kColumns + 1, kThreads, stream, x, r, g,
                              rows, width, gw);
    if (failed != 0) return failed;
  }
  if (rows == 0) return 0;
  return launch(norm_gradients, grid_of(rows), threads_for(width), stream, x, w, r, g, rows, width,
                gx);
}

int softmax_loss_cuda(const float* z, const int64_t* target, int64_t rows, int64_t classes,
                      float factor, float* gradient, double* losses, void* stream) {
  if (rows == 0) return 0;
  return launch(row_losses, grid_of(rows), threads_for(classes), stream, z, target, rows, classes,
                factor, gradient, losses);
}

}  // namespace lethe::kernels
