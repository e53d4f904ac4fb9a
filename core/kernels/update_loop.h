// The loops behind update() and squared_norm(), compiled once for each instruction set. All of it
// has internal linkage: a copy shared between the two files would run with the wider instructions
// on a processor that lacks them. Each block of kBlock elements goes through the parts while it is
// cached:
//   1. total = gradient + added + quadratic gradients (only with those), with the penalty's sums
//   2. moments and values, and the displacement (only with paths)
//   3. path integrals; 4. the gradient is cleared.
// With -ffp-contract=off and no reordering, vectorised code does each element's arithmetic exactly
// as the plain loop does.
#pragma once

#include <cstring>

#include "core/kernels/update_isa.h"
#include "core/kernels/update_prefetch.h"
#include "core/kernels/update_rules.h"

namespace lethe::kernels {
namespace {

template <bool kWeighted>
inline double pull(const float* value, const QuadraticTerm& term, float twice, int64_t i,
                   const float* before, float* total) {
  const float distance = value[i] - term.anchor[i];
  const float weighted = kWeighted ? term.importance[i] * distance : distance;
  total[i] = before[i] + twice * weighted;
  return static_cast<double>(weighted) * static_cast<double>(distance);
}

/// total = before + 2 strength importance (value - anchor); lane sums of importance (value -
/// anchor)^2. `before` is the gradient or `total` itself.
template <bool kWeighted>
void add_term(const float* value, const QuadraticTerm& term, int64_t n, const float* before,
              float* total, double* lanes) {
  const auto twice = static_cast<float>(2 * term.strength);
  double sum[kLanes];
  std::memcpy(sum, lanes, sizeof sum);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) {
      sum[lane] += pull<kWeighted>(value, term, twice, i + lane, before, total);
    }
  }
  for (int lane = 0; i + lane < n; ++lane) {
    sum[lane] += pull<kWeighted>(value, term, twice, i + lane, before, total);
  }
  std::memcpy(lanes, sum, sizeof sum);
}

void integrate(float* __restrict path, const float* __restrict gradient,
               const float* __restrict moved, int64_t n) {
  for (int64_t i = 0; i < n; ++i) path[i] = path[i] - gradient[i] * moved[i];
}

void add_arrays(const float* __restrict a, const float* __restrict b, int64_t n,
                float* __restrict sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] = a[i] + b[i];
}

/// Gradient plus the penalties' gradients of the block at `start`: `total`, or the gradient where
/// no penalty is.
const float* total_gradient(const Update& step, int64_t start, int64_t n, float* total,
                            double (*lanes)[kLanes]) {
  const float* sum = step.gradient + start;
  if (step.added != nullptr) {
    add_arrays(sum, step.added + start, n, total);
    sum = total;
  }
  for (int t = 0; t < step.terms; ++t) {
    QuadraticTerm term = step.term[t];
    term.anchor += start;
    if (term.importance != nullptr) {
      term.importance += start;
      add_term<true>(step.value + start, term, n, sum, total, lanes[t]);
    } else {
      add_term<false>(step.value + start, term, n, sum, total, lanes[t]);
    }
    sum = total;
  }
  return sum;
}

inline double sum_of(const double* lanes) {
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

double run_update(const Update& step) {
  alignas(64) float total[kBlock], moved[kBlock];
  alignas(64) double lanes[kMaxTerms][kLanes] = {};
  const StepConstants constants = constants_of(step);
  const Rule rule = rule_of(step);
  const Move move_block = step.paths > 0 ? move_of<true>(rule) : move_of<false>(rule);
  for (int64_t start = 0; start < step.n; start += kBlock) {
    const int64_t n = step.n - start < kBlock ? step.n - start : kBlock;
    const int64_t next = start + n, left = step.n - next;
    prefetch_block(step, next, left < kBlock ? left : kBlock);
    float* gradient = step.gradient + start;
    const float* sum = total_gradient(step, start, n, total, lanes);
    float* first = step.first == nullptr ? nullptr : step.first + start;
    float* second = step.second == nullptr ? nullptr : step.second + start;
    move_block(constants, {n, sum, step.value + start, first, second, moved});
    for (int p = 0; p < step.paths; ++p) {
      const PathIntegral& path = step.path[p];
      integrate(path.path + start, path.total ? sum : gradient, moved, n);
    }
    if (step.zero_gradient) std::memset(gradient, 0, static_cast<size_t>(n) * sizeof(float));
  }
  double penalty = 0;
  for (int t = 0; t < step.terms; ++t) penalty += step.term[t].strength * sum_of(lanes[t]);
  return penalty;
}

void add_squares(const float* total, int64_t n, double* lanes) {
  double sum[kLanes];
  std::memcpy(sum, lanes, sizeof sum);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const auto g = static_cast<double>(total[i + lane]);
      sum[lane] += g * g;
    }
  }
  for (int lane = 0; i + lane < n; ++lane) {
    const auto g = static_cast<double>(total[i + lane]);
    sum[lane] += g * g;
  }
  std::memcpy(lanes, sum, sizeof sum);
}

double run_squared_norm(const Update& step) {
  alignas(64) float total[kBlock];
  alignas(64) double penalty[kMaxTerms][kLanes] = {};
  alignas(64) double squares[kLanes] = {};
  for (int64_t start = 0; start < step.n; start += kBlock) {
    const int64_t n = step.n - start < kBlock ? step.n - start : kBlock;
    add_squares(total_gradient(step, start, n, total, penalty), n, squares);
  }
  return sum_of(squares);
}

}  // namespace
}  // namespace lethe::kernels
