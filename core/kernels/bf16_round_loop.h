// The loop behind round_at_random(), compiled once for each instruction set; internal linkage, as
// in update_loop.h.
#pragma once

#include <cstdint>
#include <cstring>

namespace lethe::kernels {
namespace {

/// MurmurHash3's last step (Appleby 2011): every bit of x reaches every bit of the result.
inline uint32_t mixed_bits(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ (x >> 16);
}

inline void run_rounding(const float* __restrict from, int64_t n, uint64_t key, uint64_t first,
                         uint16_t* __restrict to) {
  const auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  const auto start = static_cast<uint32_t>(first);
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    std::memcpy(&bits, from + i, sizeof bits);
    const uint32_t once = mixed_bits((start + static_cast<uint32_t>(i)) ^ low);
    const uint32_t noise = mixed_bits(once + high) >> 16;
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    to[i] = static_cast<uint16_t>((bits + (finite ? noise : 0)) >> 16);
  }
}

}  // namespace
}  // namespace lethe::kernels
