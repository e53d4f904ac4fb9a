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

/// One range of `lines`: the numbers from `first` to `last` of values that lie evenly.
void set_range(const float* value, int first, int last, int range, ByteLines& lines) {
  const double low = value[first], high = value[last];
  const double scale = last > first ? (last - first) / (high - low) : 0.0;
  lines.scale[range] = static_cast<float>(kLineUnit * scale);
  lines.offset[range] = static_cast<float>(kLineUnit * (first + 0.5 - low * scale));
  lines.top[range] = last;
}

/// Whether the midpoints of a range's numbers come out whole, and what is above the lower edge no
/// smaller than its first number.
bool range_holds(const float* value, int first, float lower, int range, const ByteLines& lines) {
  const auto place = [&](float x) { return std::fma(x, lines.scale[range], lines.offset[range]); };
  if (!(place(lower) >= static_cast<float>(kLineUnit * first))) return false;
  for (int number = first; number < lines.top[range]; ++number) {
    const auto whole = static_cast<float>(kLineUnit * (number + 1));
    if (!(std::fabs(place((value[number] + value[number + 1]) / 2) - whole) < 0.5f)) return false;
  }
  return true;
}

/// Where each pair of binades begins among the ranges; false where one has more than two of them.
bool set_first_ranges(ByteLines& lines) {
  constexpr uint32_t kLowest = 48;  // bits 24 to 30 of 2^-31
  for (int range = 1; range < 7; ++range) {
    if (!(lines.edge[range] >= 4 * lines.edge[range - 1])) return false;
  }
  for (uint32_t pair = 0; pair < 16; ++pair) {
    const auto least = std::bit_cast<float>((kLowest + pair) << 24);
    while (lines.range[pair] < 7 && least > lines.edge[lines.range[pair]]) ++lines.range[pair];
  }
  return lines.range[0] == 0 && lines.zero >= std::bit_cast<float>(kLowest << 24);
}

}  // namespace

bool find_lines(const float* values, ByteLines& lines) {
  const bool is_signed = values[0] < 0;
  const int zero = is_signed ? 127 : 0, last = 255 - zero;
  const float* value = values + zero;
  if (value[0] != 0) return false;
  for (int number = 1; is_signed && number <= 127; ++number) {
    if (value[-number] != -value[number]) return false;
  }
  lines.code_of_zero = static_cast<uint8_t>(zero);
  lines.zero = (value[0] + value[1]) / 2;
  float lower = lines.zero;
  for (int range = 0; range < 8; ++range) {
    const int first = is_signed ? 1 << range : (2 << range) - 1;
    const int end = is_signed ? 2 << range : (4 << range) - 1;
    set_range(value, first, std::min(end - 1, last), range, lines);
    if (!range_holds(value, first, lower, range, lines)) return false;
    lower = range < 7 ? (value[end - 1] + value[end]) / 2 : std::numeric_limits<float>::infinity();
    lines.edge[range] = lower;
  }
  return set_first_ranges(lines);
}

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
  has_lines_ = find_lines(values, lines_);
}

uint8_t nearest_code(const ByteMap& map, float x) { return map.code_of(x); }

const ByteMap& signed_dynamic_map() {
  static const ByteMap map(dynamic_map(true).data());
  return map;
}

const ByteMap& unsigned_dynamic_map() {
  static const ByteMap map(dynamic_map(false).data());
  return map;
}

}  // namespace lethe::kernels
