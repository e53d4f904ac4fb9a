// Gradients of quadratic penalties on one block, part of core/kernels/update_loop.h: internal
// linkage for the same reason.
#pragma once

#include <cstring>

#include "core/kernels/update_isa.h"

namespace lethe::kernels {
namespace {

template <bool kWeighted, bool kSummed>
inline double pull(const float* value, const QuadraticTerm& term, float twice, int64_t i,
                   const float* before, float* total) {
  const float distance = value[i] - term.anchor[i];
  const float weighted = kWeighted ? term.importance[i] * distance : distance;
  total[i] = before[i] + twice * weighted;
  return kSummed ? static_cast<double>(weighted) * static_cast<double>(distance) : 0;
}

/// total = before + 2 strength importance (value - anchor); lane sums of importance (value -
/// anchor)^2 where they are wanted. `before` is the gradient or `total` itself.
template <bool kWeighted, bool kSummed>
void add_term(const float* value, const QuadraticTerm& term, int64_t n, const float* before,
              float* total, double* lanes) {
  const auto twice = static_cast<float>(2 * term.strength);
  if constexpr (!kSummed) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) pull<kWeighted, false>(value, term, twice, i, before, total);
    return;
  }
  double sum[kLanes];
  std::memcpy(sum, lanes, sizeof sum);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) {
      sum[lane] += pull<kWeighted, true>(value, term, twice, i + lane, before, total);
    }
  }
  for (int lane = 0; i + lane < n; ++lane) {
    sum[lane] += pull<kWeighted, true>(value, term, twice, i + lane, before, total);
  }
  std::memcpy(lanes, sum, sizeof sum);
}

}  // namespace
}  // namespace lethe::kernels
