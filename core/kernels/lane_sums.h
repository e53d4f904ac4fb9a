// Sums that the compiler turns into vectors and whose order is fixed: value i adds to lane i mod
// 16, and the lanes add in order. Internal linkage, as in core/kernels/lanes.h.
#pragma once

#include <cstdint>

namespace lethe::kernels {
namespace {

constexpr int kSumLanes = 16;

/// The sum of value(i) for i < n.
template <class Value>
inline float lane_sum(int64_t n, const Value& value) {
  float lanes[kSumLanes] = {};
  int64_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (int lane = 0; lane < kSumLanes; ++lane) lanes[lane] += value(i + lane);
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += value(i);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

/// The largest of x (n), n > 0; a NaN is passed over.
inline float lane_largest(const float* x, int64_t n) {
  float lanes[kSumLanes];
  for (float& lane : lanes) lane = x[0];
  int64_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (int lane = 0; lane < kSumLanes; ++lane) {
      lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    }
  }
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  float most = lanes[0];
  for (const float lane : lanes) most = lane > most ? lane : most;
  return most;
}

}  // namespace
}  // namespace lethe::kernels
