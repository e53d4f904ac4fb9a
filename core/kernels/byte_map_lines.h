// The dynamic maps as straight lines: within a decade their values lie evenly.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// Numbers |x| among a map's values >= 0: 0 up to `zero`; above it, in one of eight ranges parted
/// by the edges, the whole part of the place |x| scale + offset, at most `top`. A place within
/// kLineDoubt of a whole number tells nothing: the code is to be looked up. Else it is that of zero
/// plus or minus the number, at least 0.
struct ByteLines {
  float zero = 0;
  float edge[7] = {};  ///< midpoints between ranges, rising; each belongs to the range below
  float scale[8] = {}, offset[8] = {};
  int32_t top[8] = {};
  int32_t code_of_zero = 0;
};
constexpr float kLineDoubt = 1.0f / 4096;

/// Sets `lines` to those of a map (256 values) of zero, seven decades of evenly spaced values, one
/// value above them, and either nothing below zero or the decades' negatives. False for any other.
bool find_lines(const float* values, ByteLines& lines);

}  // namespace lethe::kernels
