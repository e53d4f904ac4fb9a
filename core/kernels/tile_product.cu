// Products on a GPU with a weight that is never held dense: a slice of it, 64 outputs x 32 of the
// sum, is made float32 in shared memory and used for 64 tokens. Bit for bit as tile_product.cc:
// every output is the same chain of fused multiply-adds.
#include "core/kernels/cuda_codes.h"
#include "core/kernels/cuda_quantised.h"
#include "core/kernels/cuda_tiles.h"
#include "core/kernels/fourbit_isa.h"
#include "core/kernels/tile_product.h"

namespace lethe::kernels {
namespace {

constexpr int kSlice = 32;  ///< of the sum, in shared memory at a time
constexpr int kRun = 8;     ///< neighbours of a row that one thread reads
static_assert(kTile * kSlice == kRun * kThreads, "one run for every thread");

/// A 4-bit weight as a kernel reads it.
struct FourBitReader {
  struct Tables {
    float value[16], map[256];
  };

  __device__ void fill(Tables& tables) const {
    if (threadIdx.x < 16) tables.value[threadIdx.x] = value[threadIdx.x];
    fill_values(map, tables.map);
  }

  __device__ float scale(const Tables& tables, int64_t b) const {
    if (absmax != nullptr) return absmax[b];
    const float rest = __fmul_rn(tables.map[nested_codes[b]], nested_absmax[b / nested_block]);
    return __fadd_rn(rest, offset);
  }

  /// out[i * stride] = W[row][column + i] for i < n.
  __device__ void read(const Tables& tables, int64_t row, int64_t column, int n, float* out,
                       int stride) const {
    const int64_t begin = row * columns + column;
    int64_t held = -1;  // the block whose scale is at hand
    float held_scale = 0;
    for (int i = 0; i < n; ++i) {
      const int64_t at = begin + i, b = at >> block_shift;
      if (b != held) held_scale = scale(tables, b);
      held = b;
      const int pair = packed[at >> 1];
      out[i * stride] = __fmul_rn(tables.value[at % 2 == 0 ? pair >> 4 : pair & 15], held_scale);
    }
  }

  const uint8_t* packed;
  const float* absmax;
  const uint8_t* nested_codes;
  const float* nested_absmax;
  float offset;
  int block_shift;  ///< log2 of the block
  int64_t nested_block, rows, columns;
  float value[16];
  MapValues map;
};

FourBitReader reader_of(const FourBitMatrix& w) {
  FourBitReader reader{};
  reader.packed = w.packed;
  reader.absmax = w.absmax;
  reader.nested_codes = w.nested.codes;
  reader.nested_absmax = w.nested.absmax;
  reader.offset = w.nested.offset;
  while (int64_t{1} << reader.block_shift < w.block) ++reader.block_shift;
  reader.nested_block = w.nested.block;
  reader.rows = w.rows;
  reader.columns = w.columns;
  for (int code = 0; code < 16; ++code) reader.value[code] = four_bit_values(w.format)[code];
  if (w.absmax == nullptr) reader.map = values_of(*w.nested.map);
  return reader;
}

/// An LLM.int8() weight as a kernel reads it.
struct Int8Reader {
  struct Tables {};

  __device__ void fill(Tables&) const {}

  __device__ void read(const Tables&, int64_t row, int64_t column, int n, float* out,
                       int stride) const {
    const float scale = __fdiv_rn(absmax[row], 127.0f);
    const int8_t* from = codes + row * columns + column;
    for (int i = 0; i < n; ++i) out[i * stride] = __fmul_rn(static_cast<float>(from[i]), scale);
  }

  const int8_t* codes;
  const float* absmax;
  int64_t rows, columns;
};

/// One run of W from (row, column) on, zeros beyond the weight.
template <class Reader>
__device__ void read_run(const Reader& w, const typename Reader::Tables& tables, int64_t row,
                         int64_t column, float* out, int stride) {
  const int64_t left = row < w.rows ? w.columns - column : 0;
  const int n = left < 0 ? 0 : left < kRun ? static_cast<int>(left) : kRun;
  w.read(tables, row, column, n, out, stride);
  for (int i = n; i < kRun; ++i) out[i * stride] = 0;
}

/// slice[d][output]: of the outputs from `output` on, the part of the sum from `depth` on.
template <bool kBack, class Reader>
__device__ void read_weight(const Reader& w, const typename Reader::Tables& tables, int64_t output,
                            int64_t depth, float (*slice)[kPitch]) {
  constexpr int kRuns = (kBack ? kTile : kSlice) / kRun;  // of a row
  const int line = static_cast<int>(threadIdx.x) / kRuns;
  const int from = static_cast<int>(threadIdx.x) % kRuns * kRun;
  if constexpr (kBack) {
    read_run(w, tables, depth + line, output + from, &slice[line][from], 1);
  } else {
    read_run(w, tables, output + line, depth + from, &slice[from][line], kPitch);
  }
}

/// slice[d][token], as above; x (tokens, depth).
__device__ void read_tokens(const float* x, int64_t tokens, int64_t depth, int64_t token,
                            int64_t from, float (*slice)[kPitch]) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kSlice; i += kThreads) {
    const int t = i / kSlice, d = i % kSlice;
    const bool inside = token + t < tokens && from + d < depth;
    slice[d][t] = inside ? x[(token + t) * depth + from + d] : 0.0f;
  }
}

struct WriteFloats {
  const float* bias;
  float* y;
  int64_t outputs;

  __device__ void operator()(int64_t token, int64_t output, float sum) const {
    y[token * outputs + output] = bias == nullptr ? sum : __fadd_rn(sum, bias[output]);
  }
};

/// y (tokens, rows) = x W^T + bias, or with kBack y (tokens, columns) = x W.
template <bool kBack, class Reader>
__global__ void multiply_tiles(const float* x, int64_t tokens, Reader w, const float* bias,
                               float* y) {
  __shared__ float left[kSlice][kPitch], right[kSlice][kPitch];
  __shared__ typename Reader::Tables tables;
  w.fill(tables);
  __syncthreads();
  const int64_t depth = kBack ? w.rows : w.columns, outputs = kBack ? w.columns : w.rows;
  const int64_t tiles = tiles_of(tokens, outputs);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const TilePlace place = tile_place(tile, tokens);
    float sum[kSide][kSide] = {};
    for (int64_t from = 0; from < depth; from += kSlice) {
      read_tokens(x, tokens, depth, place.token, from, left);
      read_weight<kBack>(w, tables, place.output, from, right);
      __syncthreads();
      // No further than the sum goes: adding 0 * 0 would turn a sum of -0 into 0.
      const int64_t rest = depth - from;
      add_slices(rest < kSlice ? static_cast<int>(rest) : kSlice, left, right, sum);
      __syncthreads();
    }
    write_tile(place, tokens, outputs, sum, WriteFloats{bias, y, outputs});
  }
}

template <bool kBack, class Reader>
int multiply_with(const float* x, int64_t tokens, const Reader& w, const float* bias, float* y,
                  void* stream) {
  const int64_t tiles = tiles_of(tokens, kBack ? w.columns : w.rows);
  if (tiles == 0) return 0;
  return launch(multiply_tiles<kBack, Reader>, grid_of(tiles, kMostTiles), kThreads, stream, x,
                tokens, w, bias, y);
}

bool readable(const FourBitMatrix& w) {
  check_four_bit_block(w.block);
  return w.absmax != nullptr || (w.nested.map != nullptr && w.nested.block > 0);
}

}  // namespace

int multiply_cuda(const float* x, int64_t tokens, const FourBitMatrix& w, const float* bias,
                  float* y, void* stream) {
  if (!readable(w)) return static_cast<int>(cudaErrorInvalidValue);
  return multiply_with<false>(x, tokens, reader_of(w), bias, y, stream);
}

int multiply_back_cuda(const float* gy, int64_t tokens, const FourBitMatrix& w, float* gx,
                       void* stream) {
  if (!readable(w)) return static_cast<int>(cudaErrorInvalidValue);
  return multiply_with<true>(gy, tokens, reader_of(w), nullptr, gx, stream);
}

int multiply_cuda(const float* x, int64_t tokens, const Int8Matrix& w, const float* bias, float* y,
                  void* stream) {
  const Int8Reader reader{w.codes, w.absmax, w.rows, w.columns};
  return multiply_with<false>(x, tokens, reader, bias, y, stream);
}

int multiply_back_cuda(const float* gy, int64_t tokens, const Int8Matrix& w, float* gx,
                       void* stream) {
  const Int8Reader reader{w.codes, w.absmax, w.rows, w.columns};
  return multiply_with<true>(gy, tokens, reader, nullptr, gx, stream);
}

}  // namespace lethe::kernels
