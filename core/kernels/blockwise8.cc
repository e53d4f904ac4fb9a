#include "core/kernels/blockwise8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/kernels/blockwise8_isa.h"
#include "core/kernels/fourbit_isa.h"
#include "core/kernels/isa.h"

namespace lethe::kernels {
namespace {

/// The sum in the order of torch.sum over contiguous floats with registers of 8: what fills no
/// register first, one by one; then the lanes of four accumulators. Holds for fewer than 512
/// values; beyond that torch adds in more levels, and this sum differs from it in the last bits.
float sum_as_torch(const float* x, int64_t n) {
  constexpr int kLanes = 8, kParts = 4;
  const int64_t vectors = n / kLanes, whole = vectors / kParts * kParts;
  std::array<std::array<float, kLanes>, kParts> part{};
  for (int64_t v = 0; v < vectors; ++v) {
    auto& into = part[v < whole ? static_cast<size_t>(v % kParts) : 0];
    for (int lane = 0; lane < kLanes; ++lane) {
      into[static_cast<size_t>(lane)] += x[v * kLanes + lane];
    }
  }
  float sum = 0;
  for (int64_t i = vectors * kLanes; i < n; ++i) sum += x[i];
  for (size_t lane = 0; lane < kLanes; ++lane) {
    sum += ((part[0][lane] + part[1][lane]) + part[2][lane]) + part[3][lane];
  }
  return sum;
}

}  // namespace

void quantize_8bit(const ByteMap& map, const float* x, int64_t n, int64_t block, uint8_t* codes,
                   float* absmax) {
  if (map.lines() == nullptr) return quantize_8bit_reference(map, x, n, block, codes, absmax);
  const auto run = use_avx512() ? quantize_8bit_avx512 : quantize_8bit_avx2;
  run(map, x, n, block, codes, absmax);
}

void quantize_8bit_reference(const ByteMap& map, const float* x, int64_t n, int64_t block,
                             uint8_t* codes, float* absmax) {
  for (int64_t start = 0; start < n; start += block) {
    const int64_t end = std::min(n, start + block);
    float most = 0;
    for (int64_t i = start; i < end; ++i) most = std::max(most, std::fabs(x[i]));
    absmax[start / block] = most;
    const float reciprocal = finite_reciprocal(most);
    for (int64_t i = start; i < end; ++i) codes[i] = map.code_of(x[i] * reciprocal);
  }
}

void dequantize_8bit(const ByteMap& map, const uint8_t* codes, const float* absmax, int64_t n,
                     int64_t block, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = map.value(codes[i]) * absmax[i / block];
}

float quantize_scales(const float* scales, int64_t n, uint8_t* codes, float* absmax) {
  if (n == 0) return 0;
  const float offset = sum_as_torch(scales, n) / static_cast<float>(n);
  std::vector<float> rest(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) rest[static_cast<size_t>(i)] = scales[i] - offset;
  quantize_8bit(signed_dynamic_map(), rest.data(), n, kNestedBlock, codes, absmax);
  return offset;
}

void dequantize_scales(const ByteMap& map, const uint8_t* codes, const float* absmax, float offset,
                       int64_t begin, int64_t n, int64_t block, float* scales) {
  for (int64_t i = begin; i < begin + n; ++i) {
    const float rest = map.value(codes[i]) * absmax[i / block];
    scales[i - begin] = rest + offset;
  }
}

}  // namespace lethe::kernels
