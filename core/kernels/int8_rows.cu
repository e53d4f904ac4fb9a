// LLM.int8() on a GPU, bit for bit as int8_rows.cc: rows quantised by one thread block each, the
// integer product by tiles of 64 x 64, and the outlier columns added by the thread that has the
// sum, in their order.
#include "core/kernels/cuda_codes.h"
#include "core/kernels/cuda_quantised.h"
#include "core/kernels/cuda_tiles.h"
#include "core/kernels/int8_rows.h"

namespace lethe::kernels {
namespace {

constexpr int kWords = 16;  ///< of the sum, in shared memory at a time: 4 codes each

/// outlier[k] = 1 where a value of column k reaches the threshold; all writers write the same.
__global__ void mark_outliers(const float* x, int64_t n, int64_t columns, float threshold,
                              uint8_t* outlier) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) {
    if (fabsf(x[i]) >= threshold) outlier[i % columns] = 1;
  }
}

__device__ int8_t code_of(float x, float scale) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to integers, half to even
  const float scaled = __fmul_rn(x, scale);
  const float above = scaled < -127.0f ? -127.0f : scaled;
  const float within = above > 127.0f ? 127.0f : above;
  return static_cast<int8_t>(static_cast<int>(__fsub_rn(__fadd_rn(within, kRound), kRound)));
}

/// A null `outlier` means no threshold.
__global__ void quantize_int8(const float* x, int64_t rows, int64_t columns, float threshold,
                              const uint8_t* outlier, int8_t* codes, float* absmax) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* values = x + row * columns;
    int mine = 0;
    for (int64_t k = threadIdx.x; k < columns; k += blockDim.x) {
      const bool counts = outlier == nullptr || !(fabsf(values[k]) >= threshold);
      if (counts) mine = larger(mine, size_bits(values[k]));
    }
    const float most = __int_as_float(block_most(mine));
    if (threadIdx.x == 0) absmax[row] = most;
    const float scale = most > 0 ? __fdiv_rn(127.0f, most) : 0.0f;
    for (int64_t k = threadIdx.x; k < columns; k += blockDim.x) {
      // With one row its outliers are the columns of outliers.
      const bool left_out = outlier != nullptr && outlier[k] != 0;
      codes[row * columns + k] = left_out ? int8_t{0} : code_of(values[k], scale);
    }
  }
}

/// The columns of outliers, rising, and how many: one block, each thread a range of columns.
__global__ void list_outliers(const uint8_t* outlier, int64_t columns, int32_t* list,
                              int32_t* count) {
  __shared__ int32_t found[kThreads];
  const int64_t share = (columns + blockDim.x - 1) / blockDim.x;
  const int64_t begin = threadIdx.x * share;
  const int64_t end = begin + share < columns ? begin + share : columns;
  int32_t mine = 0;
  for (int64_t k = begin; k < end; ++k) mine += outlier[k] != 0 ? 1 : 0;
  found[threadIdx.x] = mine;
  __syncthreads();
  int32_t at = 0;
  for (unsigned before = 0; before < threadIdx.x; ++before) at += found[before];
  for (int64_t k = begin; k < end; ++k) {
    if (outlier[k] != 0) list[at++] = static_cast<int32_t>(k);
  }
  if (threadIdx.x == blockDim.x - 1) *count = at;
}

/// Four codes from column k on, zeros beyond the last; `aligned`: rows begin at whole words.
__device__ int word_of(const int8_t* row, int64_t k, int64_t columns, bool aligned) {
  if (aligned) return k < columns ? *reinterpret_cast<const int*>(row + k) : 0;
  unsigned word = 0;
  for (int byte = 0; byte < 4 && k + byte < columns; ++byte) {
    word |= static_cast<unsigned>(static_cast<uint8_t>(row[k + byte])) << (8 * byte);
  }
  return static_cast<int>(word);
}

/// slice[word][line] of 64 rows from `first` on, codes from column k on; zeros beyond the matrix.
__device__ void read_codes(const int8_t* codes, int64_t rows, int64_t columns, int64_t first,
                           int64_t k, bool aligned, int (*slice)[kPitch]) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kWords; i += kThreads) {
    const int line = i / kWords, word = i % kWords;
    const int64_t row = first + line;
    slice[word][line] =
        row < rows ? word_of(codes + row * columns, k + 4 * word, columns, aligned) : 0;
  }
}

struct WriteSums {
  int32_t* out;
  int64_t outputs;

  __device__ void operator()(int64_t token, int64_t row, int sum) const {
    out[token * outputs + row] = sum;
  }
};

/// The float output of a sum: its scales, the outlier columns, the bias, as linear_int8() adds
/// them.
struct WriteMixed {
  const float *x, *absmax, *bias;  ///< absmax of x
  const int32_t *list, *count;     ///< null without a threshold
  Int8Matrix w;
  float* y;

  __device__ void operator()(int64_t token, int64_t row, int sum) const {
    constexpr float kShare = 1.0f / (127.0f * 127.0f);
    const float scale = __fmul_rn(absmax[token], w.absmax[row]);
    float out = __fmul_rn(__fmul_rn(static_cast<float>(sum), scale), kShare);
    const float row_scale = __fdiv_rn(w.absmax[row], 127.0f);
    const int32_t outliers = count == nullptr ? 0 : *count;
    for (int32_t i = 0; i < outliers; ++i) {
      const int64_t k = list[i];
      const auto code = static_cast<float>(w.codes[row * w.columns + k]);
      const float weight = __fmul_rn(code, row_scale);
      out = __fadd_rn(out, __fmul_rn(x[token * w.columns + k], weight));
    }
    y[token * w.rows + row] = bias == nullptr ? out : __fadd_rn(out, bias[row]);
  }
};

template <class Write>
__global__ void multiply_codes(const int8_t* x, int64_t tokens, Int8Matrix w, bool aligned,
                               Write write) {
  __shared__ int left[kWords][kPitch], right[kWords][kPitch];
  const int64_t tiles = tiles_of(tokens, w.rows);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const TilePlace place = tile_place(tile, tokens);
    int sum[kSide][kSide] = {};
    for (int64_t k = 0; k < w.columns; k += 4 * kWords) {
      read_codes(x, tokens, w.columns, place.token, k, aligned, left);
      read_codes(w.codes, w.rows, w.columns, place.output, k, aligned, right);
      __syncthreads();
      add_slices(kWords, left, right, sum);
      __syncthreads();
    }
    write_tile(place, tokens, w.rows, sum, write);
  }
}

bool at_word(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % sizeof(int) == 0;
}

template <class Write>
int multiply_into(const int8_t* x, int64_t tokens, const Int8Matrix& w, const Write& write,
                  void* stream) {
  if (w.columns > kMostInt8Columns) return static_cast<int>(cudaErrorInvalidValue);
  const int64_t tiles = tiles_of(tokens, w.rows);
  if (tiles == 0) return 0;
  const bool aligned = w.columns % 4 == 0 && at_word(x) && at_word(w.codes);
  return launch(multiply_codes<Write>, grid_of(tiles, kMostTiles), kThreads, stream, x, tokens, w,
                aligned, write);
}

}  // namespace

int quantize_rows_int8_cuda(const float* x, int64_t rows, int64_t columns, float threshold,
                            int8_t* codes, float* absmax, uint8_t* outlier, void* stream) {
  if (threshold > 0) {
    if (outlier == nullptr) return static_cast<int>(cudaErrorInvalidValue);
    const auto queue = static_cast<cudaStream_t>(stream);
    const int64_t n = rows * columns;
    int failed = static_cast<int>(cudaMemsetAsync(outlier, 0, static_cast<size_t>(columns), queue));
    if (failed != 0) return failed;
    failed = launch(mark_outliers, grid_of((n - 1) / kThreads + 1), kThreads, stream, x, n, columns,
                    threshold, outlier);
    if (failed != 0) return failed;
  }
  return launch(quantize_int8, grid_of(rows), threads_for(columns), stream, x, rows, columns,
                threshold, threshold > 0 ? outlier : nullptr, codes, absmax);
}

int multiply_int8_cuda(const int8_t* x, int64_t tokens, const Int8Matrix& w, int32_t* out,
                       void* stream) {
  return multiply_into(x, tokens, w, WriteSums{out, w.rows}, stream);
}

int64_t linear_int8_cuda_scratch(int64_t tokens, int64_t columns) {
  const auto words = static_cast<int64_t>(sizeof(float)) * (tokens + columns + 1);
  return words + tokens * columns + columns;
}

int linear_int8_cuda(const float* x, int64_t tokens, const Int8Matrix& w, float threshold,
                     const float* bias, void* scratch, float* y, void* stream) {
  if (tokens == 0 || w.rows == 0) return 0;
  auto* absmax = static_cast<float*>(scratch);
  auto* list = reinterpret_cast<int32_t*>(absmax + tokens);
  int32_t* count = list + w.columns;
  auto* codes = reinterpret_cast<int8_t*>(count + 1);
  auto* outlier = reinterpret_cast<uint8_t*>(codes + tokens * w.columns);
  int failed =
      quantize_rows_int8_cuda(x, tokens, w.columns, threshold, codes, absmax, outlier, stream);
  if (failed != 0) return failed;
  const bool mixed = threshold > 0;
  if (mixed) {
    failed = launch(list_outliers, 1, kThreads, stream, outlier, w.columns, list, count);
    if (failed != 0) return failed;
  }
  const WriteMixed write{x, absmax, bias, list, mixed ? count : nullptr, w, y};
  return multiply_into(codes, tokens, w, write, stream);
}

}  // namespace lethe::kernels
