// The loops behind causal attention forward, compiled once for each instruction set; internal
// linkage, as in core/kernels/lanes.h. Softmax is taken in powers of two, chunk of keys by chunk.
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
    for (auto& row : sum) {
      for (Floats& value : row) value = all(0.0F);
    }
    add_outer(depth, keys + j * stride, stride, 1, query_lanes, kQueries, sum);
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

struct ForwardRoom {
  ForwardRoom(const PackedSizes& sizes, float* scratch) {
    Room room(scratch);
    keys = room.take(sizes.rows * sizes.stride);
    values = room.take(sizes.rows * sizes.stride);
    rows = room.take(kQueries * sizes.stride);
    query_lanes = room.take(kQueries * sizes.depth);
    out_lanes = room.take(kQueries * sizes.depth);
    scores = room.take(kQueries * sizes.chunk);
  }
  float *keys, *values, *rows, *query_lanes, *out_lanes, *scores;
};

/// Leaves out's rows in room.rows; log_sums (16) are natural logarithms.
inline void attend_block(const PackedSizes& sizes, const ForwardRoom& room, int64_t first,
                         float* log_sums) {
  const int64_t depth = sizes.depth, stride = sizes.stride;
  BlockValues most = block_of(kLowest), sums = block_of(0);
  std::memset(room.out_lanes, 0, static_cast<size_t>(kQueries * depth) * sizeof(float));
  for (int64_t j = 0; j < first + kQueries; j += sizes.chunk) {
    const int64_t count = lesser(sizes.chunk, first + kQueries - j), open = first - j;
    const BlockValues before = most;
    most = score_keys(depth, stride, room.keys + j * stride, count, open, room.query_lanes,
                      room.scores, most);
    BlockValues factor;
    for (int c = 0; c < kRegisters; ++c) {
      factor.of[c] = power_of_two(minus(before.of[c], most.of[c]));
      sums.of[c] = times(sums.of[c], factor.of[c]);
    }
    sums = exponentiate(count, open, most, room.scores, sums);
    add_values(depth, stride, room.values + j * stride, count, room.scores, factor, room.out_lanes);
  }
  for (int c = 0; c < kRegisters; ++c) {
    const Floats share = divided(all(1.0F), sums.of[c]);
    for (int64_t i = 0; i < depth; ++i) {
      float* at = room.out_lanes + i * kQueries + c * kLaneCount;
      store(at, times(share, load(at)));
    }
    store(log_sums + c * kLaneCount,
          times(all(kLn2), plus(most.of[c], logarithm_of_two(sums.of[c]))));
  }
  along_rows(sizes, room.out_lanes, room.rows);
}

inline void run_attention(const AttentionShape& shape, const HeadView& q, const HeadView& k,
                          const HeadView& v, const HeadSpan& out, float* log_sums, float* scratch) {
  const PackedSizes sizes(shape);
  const ForwardRoom room(sizes, scratch);
  const int64_t heads = shape.heads, kv_heads = shape.kv_heads, group = heads / kv_heads;
  for (int64_t n = 0; n < shape.batch * heads; ++n) {
    const int64_t kv = n / group;
    if (n % group == 0) {
      pack(sizes, head_of(k, kv, kv_heads), k.token, 0, sizes.rows, 1, room.keys);
      pack(sizes, head_of(v, kv, kv_heads), v.token, 0, sizes.rows, 1, room.values);
    }
    for (int64_t first = 0; first < shape.tokens; first += kQueries) {
      float sums[kQueries];
      pack(sizes, head_of(q, n, heads), q.token, first, kQueries, shape.scale * kLog2E, room.rows);
      across_lanes(sizes, room.rows, room.query_lanes);
      ask_for(shape, q, n, heads, first + kQueries);
      ask_for(shape, out, n, heads, first);
      if ((n + 1) % group == 0 && n + 1 < shape.batch * heads) {
        ask_for(shape, k, kv + 1, kv_heads, first);
        ask_for(shape, v, kv + 1, kv_heads, first);
      }
      attend_block(sizes, room, first, sums);
      unpack(sizes, room.rows, first, kQueries, 1, head_of(out, n, heads), out.token);
      for (int64_t i = first; i < lesser(first + kQueries, shape.tokens); ++i) {
        log_sums[n * shape.tokens + i] = sums[i - first];
      }
    }
  }
}

}  // namespace
}  // namespace lethe::kernels
