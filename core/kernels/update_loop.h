// The loops behind update() and squared_norm(), compiled once for each instruction set. All of it
// has internal linkage: a copy shared between the two files would run with the wider instructions
// on a processor that lacks them. Each block of kBlock elements goes through the parts while it is
// cached:
//   1. total = gradient + added + quadratic gradients (only with those), with the penalty's sums
//   2. moments and values, and the displacement (only with paths); a single weighted term without
//      a sum is added here, in place of 1
//   3. path integrals; 4. the gradient is cleared.
// With -ffp-contract=off and no reordering, vectorised code does each element's arithmetic exactly
// as the plain loop does.
#pragma once

#include <cstring>

#include "core/kernels/update_isa.h"
#include "core/kernels/update_prefetch.h"
#include "core/kernels/update_rules.h"
#include "core/kernels/update_terms.h"

namespace lethe::kernels {
namespace {

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
template <bool kSummed>
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
      add_term<true, kSummed>(step.value + start, term, n, sum, total,
                              kSummed ? lanes[t] : nullptr);
    } else {
      add_term<false, kSummed>(step.value + start, term, n, sum, total,
                               kSummed ? lanes[t] : nullptr);
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

/// Whether the penalty is a single term, as a step of EWC or SI has it, and nobody asks for its sum
/// or the gradient with it.
bool pulls_on_the_way(const Update& step) {
  if (step.terms != 1 || step.term[0].importance == nullptr) return false;
  if (step.summed || step.added != nullptr) return false;
  for (int p = 0; p < step.paths; ++p) {
    if (step.path[p].total) return false;
  }
  return true;
}

Move move_for(const Update& step, bool pulled) {
  const Rule rule = rule_of(step);
  if (step.paths > 0) return pulled ? move_of<true, true>(rule) : move_of<false, true>(rule);
  return pulled ? move_of<true, false>(rule) : move_of<false, false>(rule);
}

double run_update(const Update& step) {
  alignas(64) float total[kBlock], moved[kBlock];
  alignas(64) double lanes[kMaxTerms][kLanes] = {};
  const StepConstants constants = constants_of(step);
  const bool pulled = pulls_on_the_way(step);
  const Move move_block = move_for(step, pulled);
  for (int64_t start = 0; start < step.n; start += kBlock) {
    const int64_t n = step.n - start < kBlock ? step.n - start : kBlock;
    const int64_t next = start + n, left = step.n - next;
    prefetch_block(step, next, left < kBlock ? left : kBlock);
    float* gradient = step.gradient + start;
    const float* sum = pulled        ? gradient
                       : step.summed ? total_gradient<true>(step, start, n, total, lanes)
                                     : total_gradient<false>(step, start, n, total, lanes);
    Block block{n, sum, step.value + start, step.first, step.second, moved};
    if (step.first != nullptr) block.first += start;
    if (step.second != nullptr) block.second += start;
    if (pulled) {
      const QuadraticTerm& term = step.term[0];
      block.term = {term.strength, term.importance + start, term.anchor + start};
      block.twice = static_cast<float>(2 * term.strength);
    }
    move_block(constants, block);
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
  alignas(64) double squares[kLanes] = {};
  for (int64_t start = 0; start < step.n; start += kBlock) {
    const int64_t n = step.n - start < kBlock ? step.n - start : kBlock;
    add_squares(total_gradient<false>(step, start, n, total, nullptr), n, squares);
  }
  return sum_of(squares);
}

}  // namespace
}  // namespace lethe::kernels
