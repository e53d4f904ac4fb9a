// Asking for memory ahead of its use: internal linkage, as in core/kernels/lanes.h.
#pragma once

#include <cstdint>

namespace lethe::kernels {
namespace {

/// A cache line at a time; n floats.
inline void prefetch(const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(from + i);
}

}  // namespace
}  // namespace lethe::kernels
