// The loop behind 8-bit quantising, compiled once for each instruction set; internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include "core/kernels/blockwise8_isa.h"
#include "core/kernels/byte_map_lanes.h"
#include "core/kernels/fourbit_isa.h"

namespace lethe::kernels {
namespace {

inline void run_quantize_8bit(const ByteMap& map, const float* x, int64_t n, int64_t block,
                              uint8_t* codes, float* absmax) {
  const LineLanes lines(*map.lines());
  for (int64_t start = 0; start < n; start += block) {
    const int64_t length = n - start < block ? n - start : block;
    const float most = most_by_bits(x + start, length);
    absmax[start / block] = most;
    write_codes(map, lines, x + start, length, finite_reciprocal(most), codes + start);
  }
}

}  // namespace
}  // namespace lethe::kernels
