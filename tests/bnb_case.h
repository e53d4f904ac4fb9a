// Arrays of the bitsandbytes fixtures, for tests.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"

namespace lethe {

/// A tensor's elements, whose type the caller knows.
template <class T>
std::vector<T> array_of(const StoredTensor& tensor) {
  std::vector<T> values(tensor.bytes / sizeof(T));
  std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
  return values;
}

/// The nearest bfloat16 or float16, a tie to even, as bits; no infinities and no NaN.
inline std::vector<uint16_t> to_bf16(const std::vector<float>& values) {
  std::vector<uint16_t> bits(values.size());
  for (size_t i = 0; i < bits.size(); ++i) {
    uint32_t wide;
    std::memcpy(&wide, &values[i], sizeof wide);
    bits[i] = static_cast<uint16_t>((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
  }
  return bits;
}
inline std::vector<uint16_t> to_f16(const std::vector<float>& values) {
  std::vector<uint16_t> bits(values.size());
  for (size_t i = 0; i < bits.size(); ++i) {
    bits[i] = static_cast<uint16_t>(_cvtss_sh(values[i], _MM_FROUND_TO_NEAREST_INT));
  }
  return bits;
}

/// float32 from the bits of a bfloat16 or float16.
inline std::vector<float> from_bf16(const std::vector<uint16_t>& bits) {
  std::vector<float> values(bits.size());
  for (size_t i = 0; i < bits.size(); ++i) {
    const uint32_t wide = static_cast<uint32_t>(bits[i]) << 16;
    std::memcpy(&values[i], &wide, sizeof wide);
  }
  return values;
}
inline std::vector<float> from_f16(const std::vector<uint16_t>& bits) {
  std::vector<float> values(bits.size());
  for (size_t i = 0; i < bits.size(); ++i) values[i] = _cvtsh_ss(bits[i]);
  return values;
}

inline float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float most = a.size() == b.size() ? 0.0f : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    most = std::max(most, std::fabs(a[i] - b[i]));
  }
  return most;
}

}  // namespace lethe
