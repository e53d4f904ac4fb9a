// The dynamic maps as straight lines: within a decade their values lie evenly.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// Numbers |x| < 2 among a map's values >= 0: 0 up to `zero`; above it, in one of eight ranges
/// parted by the edges, the whole part of the place (|x| scale + offset) / kLineUnit, at most
/// `top`. A place that is whole within a unit or two tells nothing: the code is to be looked up.
/// Else it is that of zero plus or minus the number, within 0 and 255.
struct ByteLines {
  float zero = 0;
  float edge[8] = {};  ///< midpoints between ranges, rising; each belongs to the range below
  float scale[8] = {}, offset[8] = {};
  int32_t top[8] = {};
  uint8_t range[16] = {};  ///< of the least float whose bits 24 to 27 are the index, from 2^-31 on
  uint8_t code_of_zero = 0;
};
constexpr int kLineBits = 13;
constexpr int32_t kLineUnit = 1 << kLineBits;

/// Sets `lines` to those of a map (256 values) of zero, seven decades of evenly spaced values, one
/// value above them, and either nothing below zero or the decades' negatives. False for any other.
bool find_lines(const float* values, ByteLines& lines);

}  // namespace lethe::kernels
