// 8-bit blocks on a GPU, bit for bit as blockwise8.cc: one thread block a quantisation block.
#include "core/kernels/blockwise8.h"
#include "core/kernels/cuda_codes.h"
#include "core/kernels/cuda_quantised.h"

namespace lethe::kernels {
namespace {

/// Quantises x - *offset; a null offset is 0, which leaves every bit of x.
__global__ void quantize_bytes(const float* x, int64_t n, int64_t block, const float* offset,
                               MapValues map, uint8_t* codes, float* absmax) {
  __shared__ float middles[255];
  fill_middles(map, middles);
  const float shift = offset == nullptr ? 0.0f : *offset;
  const int64_t blocks = (n - 1) / block + 1;
  for (int64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    const int64_t start = b * block;
    const int64_t length = block < n - start ? block : n - start;
    int mine = 0;
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) {
      mine = larger(mine, size_bits(__fsub_rn(x[start + i], shift)));
    }
    const float most = __int_as_float(block_most(mine));  // its barriers also cover `middles`
    if (threadIdx.x == 0) absmax[b] = most;
    const float reciprocal = reciprocal_of(most);
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) {
      const float rest = __fsub_rn(x[start + i], shift);
      codes[start + i] = map_code(middles, __fmul_rn(rest, reciprocal));
    }
  }
}

/// Elements begin..begin + n, plus the offset where kShifted. Four at a time while `fours` of them
/// lie in one block, and where they can be read and written so; then one.
template <bool kShifted>
__global__ void dequantize_bytes(MapValues map, const uint8_t* codes, const float* absmax,
                                 float offset, int64_t begin, int64_t n, int64_t block,
                                 int64_t fours, float* out) {
  __shared__ float values[256];
  fill_values(map, values);
  __syncthreads();
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t mine = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const auto* words = reinterpret_cast<const uint32_t*>(codes + begin);
  for (int64_t four = mine; four < fours; four += stride) {
    const float scale = absmax[(begin + 4 * four) / block];
    const uint32_t word = words[four];
    Four made;
    for (int i = 0; i < 4; ++i) {
      const float value = __fmul_rn(values[word >> (8 * i) & 255u], scale);
      made.at[i] = kShifted ? __fadd_rn(value, offset) : value;
    }
    reinterpret_cast<Four*>(out)[four] = made;
  }
  for (int64_t i = 4 * fours + mine; i < n; i += stride) {
    const float value = __fmul_rn(values[codes[begin + i]], absmax[(begin + i) / block]);
    out[i] = kShifted ? __fadd_rn(value, offset) : value;
  }
}

/// The mean in the order of sum_as_torch() in blockwise8.cc: 32 threads are its 4 accumulators of 8
/// lanes.
__global__ void mean_as_torch(const float* x, int64_t n, float count, float* mean) {
  __shared__ float sums[32];
  const int64_t lane = threadIdx.x % 8, part = threadIdx.x / 8;
  const int64_t vectors = n / 8, whole = vectors / 4 * 4;
  float mine = 0;
  for (int64_t v = part; v < whole; v += 4) mine = __fadd_rn(mine, x[v * 8 + lane]);
  if (part == 0) {
    for (int64_t v = whole; v < vectors; ++v) mine = __fadd_rn(mine, x[v * 8 + lane]);
  }
  sums[threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.x > 0) return;
  float sum = 0;
  for (int64_t i = vectors * 8; i < n; ++i) sum = __fadd_rn(sum, x[i]);
  for (int i = 0; i < 8; ++i) {
    const float half = __fadd_rn(sums[i], sums[8 + i]);
    sum = __fadd_rn(sum, __fadd_rn(__fadd_rn(half, sums[16 + i]), sums[24 + i]));
  }
  *mean = __fdiv_rn(sum, count);
}

int64_t fours_of(const uint8_t* codes, int64_t begin, int64_t n, int64_t block, const float* out) {
  const bool whole = begin % 4 == 0 && block % 4 == 0;
  return whole && starts_at(codes + begin, 4) && starts_at(out, sizeof(Four)) ? n / 4 : 0;
}

int quantize_shifted(const ByteMap& map, const float* x, int64_t n, int64_t block,
                     const float* offset, uint8_t* codes, float* absmax, void* stream) {
  return launch(quantize_bytes, grid_of((n - 1) / block + 1), threads_for(block), stream, x, n,
                block, offset, values_of(map), codes, absmax);
}

}  // namespace

int quantize_8bit_cuda(const ByteMap& map, const float* x, int64_t n, int64_t block, uint8_t* codes,
                       float* absmax, void* stream) {
  if (n == 0) return 0;
  return quantize_shifted(map, x, n, block, nullptr, codes, absmax, stream);
}

int dequantize_8bit_cuda(const ByteMap& map, const uint8_t* codes, const float* absmax, int64_t n,
                         int64_t block, float* out, void* stream) {
  if (n == 0) return 0;
  return launch(dequantize_bytes<false>, grid_of((n - 1) / kThreads + 1), kThreads, stream,
                values_of(map), codes, absmax, 0.0f, 0, n, block, fours_of(codes, 0, n, block, out),
                out);
}

int quantize_scales_cuda(const float* scales, int64_t n, uint8_t* codes, float* absmax,
                         float* offset, void* stream) {
  if (n == 0) {
    return static_cast<int>(
        cudaMemsetAsync(offset, 0, sizeof(float), static_cast<cudaStream_t>(stream)));
  }
  const int failed = launch(mean_as_torch, 1, 32, stream, scales, n, static_cast<float>(n), offset);
  if (failed != 0) return failed;
  return quantize_shifted(signed_dynamic_map(), scales, n, kNestedBlock, offset, codes, absmax,
                          stream);
}

int dequantize_scales_cuda(const ByteMap& map, const uint8_t* codes, const float* absmax,
                           float offset, int64_t begin, int64_t n, int64_t block, float* scales,
                           void* stream) {
  if (n == 0) return 0;
  return launch(dequantize_bytes<true>, grid_of((n - 1) / kThreads + 1), kThreads, stream,
                values_of(map), codes, absmax, offset, begin, n, block,
                fours_of(codes, begin, n, block, scales), scales);
}

}  // namespace lethe::kernels
