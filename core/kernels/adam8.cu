// The 8-bit AdamW step on a GPU, bit for bit as adam8.cc: one thread block a block of moments, one
// thread an element.
#include "core/kernels/adam8_isa.h"
#include "core/kernels/cuda_codes.h"
#include "core/kernels/cuda_quantised.h"

namespace lethe::kernels {
namespace {

static_assert(kAdam8Block == kThreads, "a block's thread is an element");

struct Adam8Plan {
  Adam8Step step;
  Adam8Constants constants;
  MapValues first_map, second_map;
};

/// A moment of one block in its codes.
struct Moment {
  float values[256], middles[255];

  __device__ void fill(const MapValues& map) {
    fill_values(map, values);
    fill_middles(map, middles);
  }

  /// Keeps every thread's x; threads beyond the end have x = 0 and `code` null.
  __device__ void keep(float x, uint8_t* code, float* absmax) const {
    const float most = __int_as_float(block_most(size_bits(x)));
    if (threadIdx.x == 0) *absmax = most;
    if (code != nullptr) *code = map_code(middles, __fmul_rn(x, reciprocal_of(most)));
  }
};

/// Moves value i by the gradient and the moments, which are changed.
__device__ void move_value(const Adam8Plan& plan, int64_t i, float* first, float* second) {
  const Adam8Step& step = plan.step;
  const Adam8Constants& c = plan.constants;
  const float g = __fmul_rn(c.scale, step.gradient[i]);
  *first = __fadd_rn(__fmul_rn(*first, c.beta1), __fmul_rn(c.first_share, g));
  *second = __fadd_rn(__fmul_rn(*second, c.beta2), __fmul_rn(__fmul_rn(c.second_share, g), g));
  const float shrunk = __fmul_rn(step.value[i], c.shrink);
  const float ratio = __fdiv_rn(*first, __fadd_rn(__fsqrt_rn(*second), c.epsilon));
  step.value[i] = __fsub_rn(shrunk, __fmul_rn(c.rate, ratio));
  if (step.zero_gradient) step.gradient[i] = 0;
}

__global__ void step_moments(Adam8Plan plan) {
  __shared__ Moment first_moment, second_moment;
  first_moment.fill(plan.first_map);
  second_moment.fill(plan.second_map);
  __syncthreads();
  const Adam8Step& step = plan.step;
  const int64_t blocks = (step.n - 1) / kAdam8Block + 1;
  for (int64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    const int64_t i = b * kAdam8Block + threadIdx.x;
    const bool inside = i < step.n;
    float first = 0, second = 0;
    if (inside) {
      first = __fmul_rn(first_moment.values[step.first[i]], step.first_absmax[b]);
      second = __fmul_rn(second_moment.values[step.second[i]], step.second_absmax[b]);
      move_value(plan, i, &first, &second);
    }
    // Every thread has read the scales before the barriers in here, after which they change.
    first_moment.keep(first, inside ? step.first + i : nullptr, step.first_absmax + b);
    second_moment.keep(second, inside ? step.second + i : nullptr, step.second_absmax + b);
  }
}

bool whole(const Adam8Step& step) {
  return step.value != nullptr && step.gradient != nullptr && step.first != nullptr &&
         step.second != nullptr && step.first_absmax != nullptr && step.second_absmax != nullptr;
}

}  // namespace

int clear_moments_cuda(const Adam8Step& state, void* stream) {
  if (state.n == 0) return 0;
  const auto queue = static_cast<cudaStream_t>(stream);
  const auto n = static_cast<size_t>(state.n);
  const size_t scales = ((n - 1) / kAdam8Block + 1) * sizeof(float);
  const cudaError_t results[] = {
      cudaMemsetAsync(state.first, signed_dynamic_map().code_of(0), n, queue),
      cudaMemsetAsync(state.second, unsigned_dynamic_map().code_of(0), n, queue),
      cudaMemsetAsync(state.first_absmax, 0, scales, queue),
      cudaMemsetAsync(state.second_absmax, 0, scales, queue)};
  for (const cudaError_t result : results) {
    if (result != cudaSuccess) return static_cast<int>(result);
  }
  return 0;
}

int adamw8_step_cuda(const Adam8Step& step, void* stream) {
  if (step.step < 1 || step.n < 0 || (step.n > 0 && !whole(step))) {
    return static_cast<int>(cudaErrorInvalidValue);
  }
  if (step.n == 0) return 0;
  const Adam8Plan plan{step, constants_of(step), values_of(signed_dynamic_map()),
                       values_of(unsigned_dynamic_map())};
  return launch(step_moments, grid_of((step.n - 1) / kAdam8Block + 1), kThreads, stream, plan);
}

}  // namespace lethe::kernels
