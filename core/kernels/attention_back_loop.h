// The loops behind the gradient of causal attention, compiled once for each instruction set;
// internal linkage, as in core/kernels/lanes.h.
#pragma once

#include "core/kernels/attention_slopes.h"

namespace lethe::kernels {
namespace {

/// The tensors of a gradient.
struct BackTensors {
  const HeadView &q, &k, &v, &out;
  const float* log_sums;
  const HeadView& gout;
  const HeadSpan &gq, &gk, &gv;
};

/// The n-th query head.
inline void back_head(const AttentionShape& shape, const PackedSizes& sizes, const BackTensors& t,
                      int64_t n, const BackRoom& room) {
  const float* log_sums = t.log_sums + n * shape.tokens;
  const float *q = head_of(t.q, n, shape.heads), *gout = head_of(t.gout, n, shape.heads),
              *out = head_of(t.out, n, shape.heads);
  float* gq = head_of(t.gq, n, shape.heads);
  for (int64_t first = 0; first < shape.tokens; first += kQueries) {
    float sums[kQueries] = {};
    for (int64_t i = first; i < lesser(first + kQueries, shape.tokens); ++i) {
      sums[i - first] = log_sums[i];
    }
    pack(sizes, q, t.q.token, first, kQueries, shape.scale * kLog2E, room.query_rows);
    pack(sizes, gout, t.gout.token, first, kQueries, 1, room.gradient_rows);
    pack(sizes, out, t.out.token, first, kQueries, 1, room.out_rows);
    back_block(sizes, room, first, sums);
    unpack(sizes, room.out_rows, first, kQueries, shape.scale, gq, t.gq.token);
  }
}

inline void run_attention_back(const AttentionShape& shape, const BackTensors& t, float* scratch) {
  PackedSizes sizes(shape);
  if (sizes.chunk > kQueries) sizes.chunk /= 2;  // twice the copies lie beside it
  const BackRoom room(sizes, scratch);
  const auto bytes = static_cast<size_t>(sizes.rows * sizes.stride) * sizeof(float);
  const int64_t heads = shape.kv_heads, group = shape.heads / heads;
  for (int64_t n = 0; n < shape.batch * heads; ++n) {
    pack(sizes, head_of(t.k, n, heads), t.k.token, 0, sizes.rows, 1, room.keys);
    pack(sizes, head_of(t.v, n, heads), t.v.token, 0, sizes.rows, 1, room.values);
    std::memset(room.key_sums, 0, bytes);
    std::memset(room.value_sums, 0, bytes);
    for (int64_t i = 0; i < group; ++i) back_head(shape, sizes, t, n * group + i, room);
    unpack(sizes, room.key_sums, 0, sizes.rows, kLn2, head_of(t.gk, n, heads), t.gk.token);
    unpack(sizes, room.value_sums, 0, sizes.rows, 1, head_of(t.gv, n, heads), t.gv.token);
  }
}

}  // namespace
}  // namespace lethe::kernels
