// The gradient of causal attention for 16 queries, compiled once for each instruction set; internal
// linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/attention_softmax.h"

namespace lethe::kernels {
namespace {

struct BackRoom {
  BackRoom(const PackedSizes& sizes, float* scratch) {
    Room room(scratch);
    float** const whole[] = {&keys, &values, &key_sums, &value_sums};
    for (float** part : whole) *part = room.take(sizes.rows * sizes.stride);
    float** const block[] = {&query_rows,  &gradient_rows,  &out_rows,
                             &query_lanes, &gradient_lanes, &sum_lanes};
    for (float** part : block) *part = room.take(kQueries * sizes.stride);
    p = room.take(kQueries * sizes.chunk);
    slopes = room.take(kQueries * sizes.chunk);
  }
  float *keys, *values;                             ///< (rows, stride)
  float *key_sums, *value_sums;                     ///< the same for their gradients
  float *query_rows, *gradient_rows, *out_rows;     ///< of a block, (16, stride)
  float *query_lanes, *gradient_lanes, *sum_lanes;  ///< (depth, 16)
  float *p, *slopes;  ///< of a chunk of keys, (keys, 16): probabilities and scores' gradients
};

/// Probabilities again, and the gradients of the scores, of the `count` keys that begin at `first`.
/// log_sums is in powers of two, `mean` sum_j p_j dp_j.
[[gnu::noinline]] void slope_keys(const PackedSizes& sizes, const BackRoom& room, int64_t first,
                                  int64_t count, int64_t open, BlockValues log_sums,
                                  BlockValues mean) {
  const int64_t depth = sizes.depth, stride = sizes.stride;
  const float *keys = room.keys + first * stride, *values = room.values + first * stride,
              *query_lanes = room.query_lanes, *gradient_lanes = room.gradient_lanes;
  float *p_lanes = room.p, *slopes = room.slopes;
  for (int64_t j = 0; j < count; j += kGroup) {
    Floats sum[kGroup][kRegisters];
    product_with_queries(depth, stride, keys + j * stride, query_lanes, sum);
    for (int r = 0; r < kGroup; ++r) {
      for (int c = 0; c < kRegisters; ++c) {
        Floats p = power_of_two(minus(sum[r][c], log_sums.of[c]));
        if (j >= open) p = chosen(kSight.of(j + r - open, c), p, all(0.0F));
        store(p_lanes + (j + r) * kQueries + c * kLaneCount, p);
        sum[r][c] = minus(all(0.0F), mean.of[c]);
      }
    }
    add_outer(depth, values + j * stride, stride, 1, gradient_lanes, kQueries, sum);
    for (int r = 0; r < kGroup; ++r) {
      for (int c = 0; c < kRegisters; ++c) {
        const int64_t at = (j + r) * kQueries + c * kLaneCount;
        store(slopes + at, times(load(p_lanes + at), sum[r][c]));
      }
    }
  }
}

/// sums[j] += sum_query lanes[j][query] rows[query], columns of kColumns registers.
template <int kRows, int kColumns>
[[gnu::noinline]] void add_column(int64_t stride, const float* lanes, int64_t count,
                                  const float* rows, float* sums) {
  for (int64_t j = 0; j < count; j += kRows) {
    Floats sum[kRows][kColumns];
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) sum[r][c] = load(sums + r * stride + c * kLaneCount);
    }
    add_outer(kQueries, lanes + j * kQueries, kQueries, 1, rows, stride, sum);
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) store(sums + r * stride + c * kLaneCount, sum[r][c]);
    }
    sums += kRows * stride;
  }
}

inline void add_rows(int64_t stride, const float* lanes, int64_t count, const float* rows,
                     float* sums) {
  int64_t i = 0;
  for (; i + 2 * kLaneCount <= stride; i += 2 * kLaneCount) {
    add_column<4, 2>(stride, lanes, count, rows + i, sums + i);
  }
  if (i < stride) add_column<8, 1>(stride, lanes, count, rows + i, sums + i);
}

/// From a block's rows of q, out and its gradient: leaves gq's rows in room.out_rows and adds to
/// the sums of k and v.
inline void back_block(const PackedSizes& sizes, const BackRoom& room, int64_t first,
                       const float* log_sums) {
  const int64_t depth = sizes.depth, stride = sizes.stride;
  BlockValues powers, mean = block_of(0);
  across_lanes(sizes, room.query_rows, room.query_lanes);
  across_lanes(sizes, room.gradient_rows, room.gradient_lanes);
  across_lanes(sizes, room.out_rows, room.sum_lanes);
  for (int c = 0; c < kRegisters; ++c) {
    powers.of[c] = times(all(kLog2E), load(log_sums + c * kLaneCount));
    for (int64_t i = 0; i < depth; ++i) {
      const int64_t at = i * kQueries + c * kLaneCount;
      mean.of[c] = fused(load(room.gradient_lanes + at), load(room.sum_lanes + at), mean.of[c]);
    }
  }
  std::memset(room.sum_lanes, 0, static_cast<size_t>(kQueries * depth) * sizeof(float));
  for (int64_t j = 0; j < first + kQueries; j += sizes.chunk) {
    const int64_t count = lesser(sizes.chunk, first + kQueries - j), at = j * stride;
    slope_keys(sizes, room, j, count, first - j, powers, mean);
    add_values(depth, stride, room.keys + at, count, room.slopes, block_of(1), room.sum_lanes);
    add_rows(stride, room.slopes, count, room.query_rows, room.key_sums + at);
    add_rows(stride, room.p, count, room.gradient_rows, room.value_sums + at);
  }
  along_rows(sizes, room.sum_lanes, room.out_rows);
}

}  // namespace
}  // namespace lethe::kernels
