// The fused update on a GPU: one thread an element, grid-stride; every product and sum is rounded
// by itself (__fmul_rn, __fadd_rn are never contracted), in the order of update_loop.h. Reductions
// have two stages and no atomics: a partial sum a block in `scratch`, then one block adds those in
// a fixed order.
#include "core/kernels/cuda.h"
#include "core/kernels/cuda_launch.h"
#include "core/kernels/update_isa.h"

namespace lethe::kernels {
namespace {

constexpr int64_t kMostSums = 1024;  ///< blocks of a grid, each with a partial sum

struct Plan {
  Update step;
  StepConstants constants;
  float twice[kMaxTerms];  ///< 2 * strength
};

Plan plan_of(const Update& step) {
  Plan plan{checked(step), constants_of(step), {}};
  for (int t = 0; t < plan.step.terms; ++t) {
    plan.twice[t] = static_cast<float>(2 * plan.step.term[t].strength);
  }
  return plan;
}

int64_t blocks_for(int64_t n) { return grid_of((n + kThreads - 1) / kThreads, kMostSums); }

/// Sum over the block's threads, in thread 0. All threads take part.
__device__ double block_sum(double mine) {
  __shared__ double sums[kThreads];
  sums[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  return sums[0];
}

/// Gradient plus the penalties' gradients of element i; adds the element's penalty.
__device__ float total_gradient(const Plan& plan, int64_t i, double* penalty) {
  float total = plan.step.gradient[i];
  if (plan.step.added != nullptr) total = __fadd_rn(total, plan.step.added[i]);
  const float value = plan.step.value[i];
  for (int t = 0; t < plan.step.terms; ++t) {
    const QuadraticTerm& term = plan.step.term[t];
    const float distance = __fsub_rn(value, term.anchor[i]);
    const float weighted =
        term.importance == nullptr ? distance : __fmul_rn(term.importance[i], distance);
    total = __fadd_rn(total, __fmul_rn(plan.twice[t], weighted));
    *penalty += term.strength * (static_cast<double>(weighted) * static_cast<double>(distance));
  }
  return total;
}

template <Rule kRule>
__device__ float moved_value(const Plan& plan, int64_t i, float before, float g) {
  const StepConstants& k = plan.constants;
  float* first = plan.step.first;
  float* second = plan.step.second;
  float after = before;
  if constexpr (kRule == Rule::adamw) {
    after = __fmul_rn(before, k.shrink);
  } else {
    g = __fadd_rn(g, __fmul_rn(k.weight_decay, before));
  }
  if constexpr (kRule == Rule::adam || kRule == Rule::adamw) {
    const float m = __fadd_rn(first[i], __fmul_rn(k.first_share, __fsub_rn(g, first[i])));
    const float v =
        __fadd_rn(__fmul_rn(second[i], k.beta2), __fmul_rn(__fmul_rn(k.second_share, g), g));
    first[i] = m;
    second[i] = v;
    const float denominator = __fadd_rn(__fdiv_rn(__fsqrt_rn(v), k.root), k.epsilon);
    return __fsub_rn(after, __fdiv_rn(__fmul_rn(k.rate, m), denominator));
  } else {
    if constexpr (kRule == Rule::sgd_later) g = __fadd_rn(__fmul_rn(k.momentum, first[i]), g);
    if constexpr (kRule != Rule::sgd) first[i] = g;
    return __fsub_rn(after, __fmul_rn(k.rate, g));
  }
}

template <Rule kRule>
__global__ void update_elements(Plan plan, double* partial) {
  const Update& step = plan.step;
  double penalty = 0;
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < step.n; i += stride) {
    const float before = step.value[i], gradient = step.gradient[i];
    const float total = total_gradient(plan, i, &penalty);
    const float after = moved_value<kRule>(plan, i, before, __fmul_rn(total, plan.constants.scale));
    step.value[i] = after;
    const float moved = __fsub_rn(after, before);
    for (int p = 0; p < step.paths; ++p) {
      float* path = step.path[p].path;
      path[i] = __fsub_rn(path[i], __fmul_rn(step.path[p].total ? total : gradient, moved));
    }
    if (step.zero_gradient) step.gradient[i] = 0;
  }
  if (partial == nullptr) return;  // the same for the whole grid
  const double sum = block_sum(penalty);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void square_elements(Plan plan, double* partial) {
  double unused = 0, squares = 0;
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < plan.step.n; i += stride) {
    const auto total = static_cast<double>(total_gradient(plan, i, &unused));
    squares += total * total;
  }
  const double sum = block_sum(squares);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void add_partials(const double* partial, int64_t count, double* out) {
  double mine = 0;
  for (int64_t b = threadIdx.x; b < count; b += kThreads) mine += partial[b];
  const double sum = block_sum(mine);
  if (threadIdx.x == 0) *out = sum;
}

using Kernel = void (*)(Plan, double*);

Kernel kernel_of(Rule rule) {
  switch (rule) {
    case Rule::sgd:
      return update_elements<Rule::sgd>;
    case Rule::sgd_first:
      return update_elements<Rule::sgd_first>;
    case Rule::sgd_later:
      return update_elements<Rule::sgd_later>;
    case Rule::adam:
      return update_elements<Rule::adam>;
    default:
      return update_elements<Rule::adamw>;
  }
}

}  // namespace

int64_t update_cuda_scratch() { return kMostSums; }

int update_cuda(const Update& step, double* penalty, double* scratch, void* stream) {
  const Plan plan = plan_of(step);
  const int64_t blocks = blocks_for(step.n);
  double* partial = penalty == nullptr ? nullptr : scratch;
  const int failed = launch(kernel_of(rule_of(step)), blocks, kThreads, stream, plan, partial);
  if (failed != 0 || penalty == nullptr) return failed;
  return launch(add_partials, 1, kThreads, stream, scratch, blocks, penalty);
}

int squared_norm_cuda(const Update& step, double* norm, double* scratch, void* stream) {
  const Plan plan = plan_of(reading(step));
  const int64_t blocks = blocks_for(step.n);
  const int failed = launch(square_elements, blocks, kThreads, stream, plan, scratch);
  if (failed != 0) return failed;
  return launch(add_partials, 1, kThreads, stream, scratch, blocks, norm);
}

}  // namespace lethe::kernels
