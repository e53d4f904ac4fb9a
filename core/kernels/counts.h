// Arithmetic of counts for the kernels' loops: internal linkage, as in core/kernels/lanes.h.
#pragma once

#include <cstdint>

namespace lethe::kernels {

static constexpr int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

static constexpr int64_t rounded_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace lethe::kernels
