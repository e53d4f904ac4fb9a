// NF4 on a GPU, bit for bit as nf4.cc: one thread block a quantisation block, one thread a byte.
#include <cuda_runtime.h>

#include <cfloat>

#include "core/kernels/cuda.h"
#include "core/kernels/nf4.h"
#include "core/kernels/nf4_table.h"

namespace lethe::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxGrid = 1 << 30;

struct Table {
  float at[16];
};

Table values_table() {
  Table table{};
  for (int code = 0; code < 16; ++code) table.at[code] = kNf4Values[code];
  return table;
}

Table thresholds_table() {
  Table table{};
  for (int code = 0; code < 15; ++code) table.at[code] = kNf4Thresholds[code];
  return table;
}

__device__ unsigned code_of(const float* thresholds, float scaled) {
  unsigned code = 0;
  for (unsigned half = 8; half > 0; half /= 2) {
    if (scaled > thresholds[code + half - 1]) code += half;
  }
  return code;
}

/// Largest absolute value of the block, in every thread. A maximum is exact in any order.
__device__ float block_absmax(const float* values, int64_t length) {
  __shared__ float most[kThreads];
  float mine = 0;
  for (int64_t i = threadIdx.x; i < length; i += blockDim.x) mine = fmaxf(mine, fabsf(values[i]));
  most[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) most[threadIdx.x] = fmaxf(most[threadIdx.x], most[threadIdx.x + half]);
    __syncthreads();
  }
  return most[0];
}

__global__ void quantize_blocks(const float* x, int64_t n, int64_t block, Table table,
                                uint8_t* packed, float* absmax) {
  __shared__ float thresholds[16];
  if (threadIdx.x < 16) thresholds[threadIdx.x] = table.at[threadIdx.x];
  const int64_t start = int64_t{blockIdx.x} * block;
  const int64_t length = block < n - start ? block : n - start;
  const float* values = x + start;
  const float most = block_absmax(values, length);  // its barriers also cover `thresholds`
  if (threadIdx.x == 0) absmax[blockIdx.x] = most;
  const float reciprocal = fminf(__fdiv_rn(1.0f, most), FLT_MAX);
  for (int64_t i = 2 * int64_t{threadIdx.x}; i < length; i += 2 * int64_t{blockDim.x}) {
    const unsigned high = code_of(thresholds, __fmul_rn(values[i], reciprocal));
    const unsigned low = i + 1 < length ? code_of(thresholds, __fmul_rn(values[i + 1], reciprocal))
                                        : unsigned{kNf4ZeroCode};
    packed[(start + i) / 2] = static_cast<uint8_t>(high << 4 | low);
  }
}

__global__ void dequantize_bytes(const uint8_t* packed, const float* absmax, int64_t n,
                                 int64_t block, Table table, float* out) {
  __shared__ float values[16];
  if (threadIdx.x < 16) values[threadIdx.x] = table.at[threadIdx.x];
  __syncthreads();
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t byte = int64_t{blockIdx.x} * kThreads + threadIdx.x; 2 * byte < n; byte += stride) {
    const float scale = absmax[2 * byte / block];
    out[2 * byte] = __fmul_rn(values[packed[byte] >> 4], scale);
    if (2 * byte + 1 < n) out[2 * byte + 1] = __fmul_rn(values[packed[byte] & 15], scale);
  }
}

}  // namespace

int quantize_nf4_cuda(const float* x, int64_t n, int64_t block, uint8_t* packed, float* absmax,
                      void* stream) {
  const int64_t blocks = (n + block - 1) / block;
  if (blocks > kMaxGrid) return static_cast<int>(cudaErrorInvalidValue);
  if (blocks == 0) return 0;
  const auto threads = static_cast<unsigned>(block / 2 < kThreads ? block / 2 : kThreads);
  quantize_blocks<<<static_cast<unsigned>(blocks), threads, 0, static_cast<cudaStream_t>(stream)>>>(
      x, n, block, thresholds_table(), packed, absmax);
  return static_cast<int>(cudaGetLastError());
}

int dequantize_nf4_cuda(const uint8_t* packed, const float* absmax, int64_t n, int64_t block,
                        float* out, void* stream) {
  if (n == 0) return 0;
  const int64_t wanted = (n / 2 + kThreads) / kThreads;
  const auto blocks = static_cast<unsigned>(wanted < 4096 ? wanted : 4096);
  dequantize_bytes<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      packed, absmax, n, block, values_table(), out);
  return static_cast<int>(cudaGetLastError());
}

}  // namespace lethe::kernels
