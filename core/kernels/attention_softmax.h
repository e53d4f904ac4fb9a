// Softmax of causal attention for 16 queries, in powers of two and chunk of keys by chunk, compiled
// once for each instruction set; internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/attention_inner.h"

namespace lethe::kernels {
namespace {

/// -1 in the lanes of queries that see the key `key` of their own block.
struct Sight {
  constexpr Sight() {
    for (int i = kQueries; i < 2 * kQueries; ++i) edge[i] = -1;
  }
  Ints of(int64_t key, int c) const { return load(edge + kQueries - key + c * kLaneCount); }
  int32_t edge[2 * kQueries] = {};
};
constexpr Sight kSight;

/// Scores of `count` keys; returns the largest of each query, of them and of `most`. The last 16
/// keys are the block's own if `open`, the number of keys that all queries see, is less than count.
[[gnu::noinline]] BlockValues score_keys(int64_t depth, int64_t stride, const float* keys,
                                         int64_t count, int64_t open, const float* query_lanes,
                                         float* scores, BlockValues most) {
  for (int64_t j = 0; j < count; j += kGroup) {
    Floats sum[kGroup][kRegisters];
    product_with_queries(depth, stride, keys + j * stride, query_lanes, sum);
    for (int r = 0; r < kGroup; ++r) {
      for (int c = 0; c < kRegisters; ++c) {
        if (j >= open) sum[r][c] = chosen(kSight.of(j + r - open, c), sum[r][c], all(kLowest));
        most.of[c] = larger(most.of[c], sum[r][c]);
        store(scores + (j + r) * kQueries + c * kLaneCount, sum[r][c]);
      }
    }
  }
  return most;
}

/// Turns scores into exp(score - most); returns `sums` with them added.
[[gnu::noinline]] BlockValues exponentiate(int64_t count, int64_t open, BlockValues most,
                                           float* scores, BlockValues sums) {
  const int64_t whole = lesser(count, open);
  for (int64_t j = 0; j < whole; ++j) {
    for (int c = 0; c < kRegisters; ++c) {
      float* at = scores + j * kQueries + c * kLaneCount;
      const Floats p = power_of_two(minus(load(at), most.of[c]));
      sums.of[c] = plus(sums.of[c], p);
      store(at, p);
    }
  }
  for (int64_t j = whole; j < count; ++j) {
    for (int c = 0; c < kRegisters; ++c) {
      float* at = scores + j * kQueries + c * kLaneCount;
      const Floats p = power_of_two(minus(load(at), most.of[c]));
      const Floats seen = chosen(kSight.of(j - open, c), p, all(0.0F));
      sums.of[c] = plus(sums.of[c], seen);
      store(at, seen);
    }
  }
  return sums;
}

/// out = factor * out + sum_j p_j v_j, queries across the lanes.
[[gnu::noinline]] void add_values(int64_t depth, int64_t stride, const float* values, int64_t count,
                                  const float* p, BlockValues factor, float* out_lanes) {
  for (int64_t i = 0; i < depth; i += kGroup) {
    Floats sum[kGroup][kRegisters];
    float* out = out_lanes + i * kQueries;
    for (int r = 0; r < kGroup; ++r) {
      for (int c = 0; c < kRegisters; ++c) {
        sum[r][c] = times(factor.of[c], load(out + r * kQueries + c * kLaneCount));
      }
    }
    add_outer(count, values + i, 1, stride, p, kQueries, sum);
    for (int r = 0; r < kGroup; ++r) {
      for (int c = 0; c < kRegisters; ++c) store(out + r * kQueries + c * kLaneCount, sum[r][c]);
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
