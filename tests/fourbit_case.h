// Values and results of the 4-bit formats for tests.
#pragma once

#include <zlib.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/kernels/fourbit.h"
#include "core/random.h"

namespace lethe::kernels {

struct FourBitCase {
  std::vector<uint8_t> packed;
  std::vector<float> absmax, values;
};

inline FourBitCase four_bit_case(FourBit format, const std::vector<float>& x, int64_t block = 64) {
  const auto n = static_cast<int64_t>(x.size());
  FourBitCase q{std::vector<uint8_t>((x.size() + 1) / 2, 0xee),
                std::vector<float>(static_cast<size_t>((n + block - 1) / block), -1),
                std::vector<float>(x.size(), -9)};
  quantize_4bit(format, x.data(), n, block, q.packed.data(), q.absmax.data());
  dequantize_4bit(format, q.packed.data(), q.absmax.data(), n, block, q.values.data());
  return q;
}

/// sin(0.37 i) (1 + 0.01 i), i < 128.
inline std::vector<float> growing_sine() {
  std::vector<float> x(128);
  for (int i = 0; i < 128; ++i) {
    x[static_cast<size_t>(i)] = static_cast<float>(std::sin(0.37 * i) * (1 + 0.01 * i));
  }
  return x;
}

/// 0.02 sin(0.37 i) (1 + 0.5 sin(0.0013 i)), i < 19,200.
inline std::vector<float> beating_sine() {
  std::vector<float> y(19200);
  for (size_t i = 0; i < y.size(); ++i) {
    const auto at = static_cast<double>(i);
    y[i] = static_cast<float>(0.02 * std::sin(0.37 * at) * (1 + 0.5 * std::sin(0.0013 * at)));
  }
  return y;
}

inline bool bit_equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline std::vector<float> normal_values(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> x(n);
  for (float& value : x) value = static_cast<float>(random.normal());
  return x;
}

template <class T>
uint32_t crc_of(const std::vector<T>& data) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(data.data()),
                                     static_cast<uInt>(data.size() * sizeof(T))));
}

inline std::string hex_of(const std::vector<uint8_t>& bytes) {
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

inline double rms_error(const std::vector<float>& x, const std::vector<float>& values) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double error = static_cast<double>(values[i]) - x[i];
    sum += error * error;
  }
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace lethe::kernels
