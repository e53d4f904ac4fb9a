// The loops behind causal attention forward, compiled once for each instruction set; internal
// linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/attention_softmax.h"

namespace lethe::kernels {
namespace {

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
