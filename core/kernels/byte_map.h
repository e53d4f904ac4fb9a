// The maps from bytes to values behind bitsandbytes' 8-bit quantisation (Dettmers et al. 2022,
// arXiv:2110.02861): 256 rising values in [-1, 1]. Free of libtorch.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/kernels/byte_map_lines.h"

namespace lethe::kernels {

class ByteMap {
 public:
  /// `values`: 256 finite numbers that rise or stay; as a checkpoint holds them. Throws Error
  /// naming the first entry that falls.
  explicit ByteMap(const float* values);

  const float* values() const { return values_.data(); }
  float value(uint8_t code) const { return values_[code]; }

  /// The nearest value's code by fp32 midpoints, a tie to the lower: how many midpoints lie below
  /// x. x must be finite.
  uint8_t code_of(float x) const {
    unsigned code = start_[bucket(x)];
    for (int step = 0; step < steps_; ++step) code += x > middle_[code] ? 1U : 0U;
    return static_cast<uint8_t>(code);
  }

  /// The map as straight lines, null where it isn't made of them.
  const ByteLines* lines() const { return has_lines_ ? &lines_ : nullptr; }

 private:
  // Buckets of |x| by exponent and 7 bits of mantissa, from 2^-24 to 1; half of them for x < 0.
  static constexpr uint32_t kFirst = 103U << 7, kBuckets = (24U << 7) + 1;
  static uint32_t bucket(float x);

  std::array<float, 256> values_;
  std::array<float, 512> middle_;  ///< infinite from 255 on
  std::vector<uint8_t> start_;     ///< by bucket: the lowest code in it
  int steps_ = 0;                  ///< most codes that one bucket goes beyond its lowest
  ByteLines lines_;
  bool has_lines_ = false;
};

/// map.code_of(x), compiled apart for callers that are compiled for another instruction set.
uint8_t nearest_code(const ByteMap& map, float x);

/// The signed dynamic map: for i = 0..6 the midpoints of 2^i equal parts of [0.1, 1], times
/// 10^(i-6), with both signs, and 0 and 1. The unsigned one: 2^(i+1) parts, one sign. Bit for bit
/// what bitsandbytes computes in fp32 on a machine with AVX2.
const ByteMap& signed_dynamic_map();
const ByteMap& unsigned_dynamic_map();

}  // namespace lethe::kernels
