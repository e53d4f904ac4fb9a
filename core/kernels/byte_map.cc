#include "core/kernels/byte_map.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace lethe::kernels {
namespace {

/// `n` points from 0.1 to 1 in the arithmetic of torch.linspace: pairs of vectors of 8 as long as
/// they last (a vector's first point with one rounding, the others from it with two), then points
/// by themselves with one rounding; the second half counts back from the end.
std::vector<float> parts_of_decade(int n) {
  const float first = 0.1f, last = 1.0f;
  const float step = (last - first) / static_cast<float>(n - 1);
  const auto point = [&](int i) {
    return i < n / 2 ? std::fma(step, static_cast<float>(i), first)
                     : std::fma(-step, static_cast<float>(n - 1 - i), last);
  };
  std::vector<float> points;
  for (int i = 0; i < n; ++i) {
    const bool in_vector = i < n / 16 * 16;
    const int lane = in_vector ? i % 8 : 0;
    points.push_back(point(i - lane) + static_cast<float>(lane) * step);
  }
  return points;
}

std::array<float, 256> dynamic_map(bool is_signed) {
  std::vector<float> values = {0.0f, 1.0f};
  for (int i = 0; i < 7; ++i) {
    const auto points = parts_of_decade((1 << (is_signed ? i : i + 1)) + 1);
    const auto decade = static_cast<float>(std::pow(10.0, i - 6));
    for (size_t p = 0; p + 1 < points.size(); ++p) {
      const float value = decade * ((points[p] + points[p + 1]) / 2);
      values.push_back(value);
      if (is_signed) values.push_back(-value);
    }
  }
  std::sort(values.begin(), values.end());
  std::array<float, 256> map{};
  std::copy(values.begin(), values.end(), map.begin());
  return map;
}

}  // namespace

uint32_t ByteMap::bucket(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = (bits & 0x7fffffffU) >> 16;
  const uint32_t within = std::min(std::max(magnitude, kFirst) - kFirst, kBuckets - 1);
  return within + (bits >> 31) * kBuckets;
}

ByteMap::ByteMap(const float* values) : start_(2 * kBuckets) {
  std::copy_n(values, 256, values_.begin());
  for (size_t i = 0; i < 256; ++i) {
    if (!std::isfinite(values_[i]) || (i > 0 && values_[i] < values_[i - 1])) {
      fail("entry {} of an 8-bit map is {}; expected 256 finite values that rise", i, values_[i]);
    }
  }
  middle_.fill(std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < 255; ++i) middle_[i] = (values_[i] + values_[i + 1]) / 2;
  const auto middles_below = [this](float x) {
    return static_cast<int>(std::lower_bound(middle_.begin(), middle_.begin() + 255, x) -
                            middle_.begin());
  };
  constexpr float kMost = std::numeric_limits<float>::max();
  for (uint32_t b = 0; b < kBuckets; ++b) {
    const float low = b == 0 ? 0.0f : std::bit_cast<float>((kFirst + b) << 16);
    const float high = b + 1 == kBuckets ? kMost : std::bit_cast<float>((kFirst + b + 1) << 16);
    start_[b] = static_cast<uint8_t>(middles_below(low));
    start_[b + kBuckets] = static_cast<uint8_t>(middles_below(-high));
    steps_ = std::max({steps_, middles_below(high) - middles_below(low),
                       middles_below(-low) - middles_below(-high)});
  }
}

const ByteMap& signed_dynamic_map() {
  static const ByteMap map(dynamic_map(true).data());
  return map;
}

const ByteMap& unsigned_dynamic_map() {
  static const ByteMap map(dynamic_map(false).data());
  return map;
}

}  // namespace lethe::kernels
