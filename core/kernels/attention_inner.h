// What both passes of causal attention share: 16 queries at a time lie across the lanes, so that
// maxima, sums and probabilities need no sum across lanes. Internal linkage, as in
// core/kernels/lanes.h.
#pragma once

#include "core/kernels/attention_isa.h"
#include "core/kernels/counts.h"
#include "core/kernels/outer.h"
#include "core/kernels/power_lanes.h"
#include "core/kernels/transposed.h"

namespace lethe::kernels {
namespace {

constexpr int kRegisters = kQueries / kLaneCount;  // that hold a value of each query
constexpr int kGroup = 8 / kRegisters;             // rows summed at a time: 8 registers of sums
constexpr int64_t kChunkFloats = 4096;             // keys of a pass: in the nearest cache
constexpr float kLog2E = 1.44269504F, kLn2 = 0.693147181F;
constexpr float kLowest = -3e38F;

/// A value of each query of a block.
struct BlockValues {
  Floats of[kRegisters];
};

inline BlockValues block_of(float x) {
  BlockValues values;
  for (Floats& value : values.of) value = all(x);
  return values;
}

/// Sizes of the packed copies of one head: zeros beyond its tokens and its width.
struct PackedSizes {
  explicit PackedSizes(const AttentionShape& shape)
      : tokens(shape.tokens),
        width(shape.width),
        rows(rounded_up(tokens, kQueries)),
        depth(rounded_up(width, 8)),
        stride(rounded_up(width, kLaneCount)),
        chunk(kMostKeys) {
    while (chunk > kQueries && chunk * stride > kChunkFloats) chunk /= 2;
  }
  int64_t tokens, width;
  int64_t rows, depth, stride;  ///< tokens and width rounded up; floats from row to row
  int64_t chunk;                ///< keys of a pass
};

/// Parts of the scratch, one after the other, on whole cache lines.
class Room {
 public:
  explicit Room(float* scratch)
      : next_(scratch + (-(reinterpret_cast<uintptr_t>(scratch) / sizeof(float)) & 15)) {}
  float* take(int64_t floats) {
    float* const part = next_;
    next_ += rounded_up(floats, 16);
    return part;
  }

 private:
  float* next_;
};

/// to[i] = factor * from[i] for i < n.
inline void scaled_copy(const float* from, int64_t n, float factor, float* to) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_mul_ps(_mm256_set1_ps(factor), _mm256_loadu_ps(from + i)));
  }
  for (; i < n; ++i) to[i] = factor * from[i];
}

/// packed[row * stride + i] = factor * from[(first + row) * token_stride + i] for `rows` rows.
[[gnu::noinline]] void pack(const PackedSizes& sizes, const float* from, int64_t token_stride,
                            int64_t first, int64_t rows, float factor, float* packed) {
  const int64_t held = lesser(rows, sizes.tokens - first);
  if (sizes.width < sizes.stride || held < rows) {
    std::memset(packed, 0, static_cast<size_t>(rows * sizes.stride) * sizeof(float));
  }
  for (int64_t r = 0; r < held; ++r) {
    scaled_copy(from + (first + r) * token_stride, sizes.width, factor, packed + r * sizes.stride);
  }
}

[[gnu::noinline]] void unpack(const PackedSizes& sizes, const float* packed, int64_t first,
                              int64_t rows, float factor, float* to, int64_t token_stride) {
  const int64_t held = lesser(rows, sizes.tokens - first);
  for (int64_t r = 0; r < held; ++r) {
    scaled_copy(packed + r * sizes.stride, sizes.width, factor, to + (first + r) * token_stride);
  }
}

/// Of `heads` heads in every item of the batch the n-th.
template <class View>
inline auto* head_of(const View& view, int64_t n, int64_t heads) {
  return view.data + n / heads * view.batch + n % heads * view.head;
}

/// lanes[i * 16 + query] = rows[query * stride + i] for i < depth.
[[gnu::noinline]] void across_lanes(const PackedSizes& sizes, const float* rows, float* lanes) {
  for (int64_t i = 0; i < sizes.depth; i += 8) {
    for (int64_t query = 0; query < kQueries; query += 8) {
      __m256 turned[8];
      transposed8(rows + query * sizes.stride + i, sizes.stride, turned);
      for (int k = 0; k < 8; ++k) _mm256_storeu_ps(lanes + (i + k) * kQueries + query, turned[k]);
    }
  }
}

/// And back.
[[gnu::noinline]] void along_rows(const PackedSizes& sizes, const float* lanes, float* rows) {
  for (int64_t query = 0; query < kQueries; query += 8) {
    for (int64_t i = 0; i < sizes.depth; i += 8) {
      __m256 turned[8];
      transposed8(lanes + i * kQueries + query, kQueries, turned);
      for (int k = 0; k < 8; ++k) {
        _mm256_storeu_ps(rows + (query + k) * sizes.stride + i, turned[k]);
      }
    }
  }
}

/// The scores of kGroup keys: their products with the queries across the lanes.
inline void product_with_queries(int64_t depth, int64_t stride, const float* keys,
                                 const float* query_lanes, Floats (&sum)[kGroup][kRegisters]) {
  for (auto& row : sum) {
    for (Floats& value : row) value = all(0.0F);
  }
  add_outer(depth, keys, stride, 1, query_lanes, kQueries, sum);
}

}  // namespace
}  // namespace lethe::kernels
