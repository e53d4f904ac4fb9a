// The build adds -O3 -ffp-contract=off. Each product is one chain of fused multiply-adds.
#include "core/kernels/biased_attention.h"

#include "core/kernels/counts.h"
#include "core/kernels/exponential.h"
#include "core/kernels/lane_sums.h"
#include "core/kernels/outer.h"

namespace lethe::kernels {
namespace {

constexpr int64_t kColumns = 2 * kLaneCount;

/// A matrix to read: `row` floats from row to row, `step` from column to column.
struct Matrix {
  const float* data;
  int64_t row, step;
};

/// kRows rows of out = factor a b, all columns: b (depth, columns) with `stride` floats from row to
/// row.
template <int kRows>
void product_rows(int64_t columns, int64_t depth, const Matrix& a, const float* b, int64_t stride,
                  float factor, float* out, int64_t out_row) {
  int64_t c = 0;
  for (; c + kColumns <= columns; c += kColumns) {
    Floats sum[kRows][2];
    for (auto& row : sum) row[0] = row[1] = all(0.0F);
    add_outer(depth, a.data, a.row, a.step, b + c, stride, sum);
    for (int r = 0; r < kRows; ++r) {
      store(out + r * out_row + c, times(all(factor), sum[r][0]));
      store(out + r * out_row + c + kLaneCount, times(all(factor), sum[r][1]));
    }
  }
  for (; c < columns; ++c) {
    for (int r = 0; r < kRows; ++r) {
      float sum = 0;
      for (int64_t k = 0; k < depth; ++k) {
        sum = __builtin_fmaf(a.data[r * a.row + k * a.step], b[k * stride + c], sum);
      }
      out[r * out_row + c] = factor * sum;
    }
  }
}

/// out (rows, columns) = factor a b.
void product(int64_t rows, int64_t columns, int64_t depth, Matrix a, const float* b, int64_t stride,
             float factor, float* out, int64_t out_row) {
  constexpr int kBlock = 6;
  int64_t r = 0;
  for (; r + kBlock <= rows; r += kBlock, a.data += kBlock * a.row, out += kBlock * out_row) {
    product_rows<kBlock>(columns, depth, a, b, stride, factor, out, out_row);
  }
  for (; r + 2 <= rows; r += 2, a.data += 2 * a.row, out += 2 * out_row) {
    product_rows<2>(columns, depth, a, b, stride, factor, out, out_row);
  }
  if (r < rows) product_rows<1>(columns, depth, a, b, stride, factor, out, out_row);
}

/// to[i * count + j] = from[j * row + i] for i < width, j < count.
void turn(const float* from, int64_t row, int64_t count, int64_t width, float* to) {
  for (int64_t i = 0; i < width; ++i) {
    for (int64_t j = 0; j < count; ++j) to[i * count + j] = from[j * row + i];
  }
}

/// The softmax of p + bias in place; bias may be null.
void soften(float* p, const float* bias, int64_t n) {
  if (bias != nullptr) {
    for (int64_t i = 0; i < n; ++i) p[i] += bias[i];
  }
  const float most = lane_largest(p, n);
  for (int64_t i = 0; i < n; ++i) p[i] = decayed(p[i] - most);
  const float sum = lane_sum(n, [p](int64_t i) { return p[i]; });
  for (int64_t i = 0; i < n; ++i) p[i] /= sum;
}

/// g becomes p (g - sum p g), the gradient of the scores from that of the probabilities.
void harden(const float* p, float* g, float* gbias, int64_t n) {
  const float along = lane_sum(n, [=](int64_t i) { return p[i] * g[i]; });
  for (int64_t i = 0; i < n; ++i) g[i] = p[i] * (g[i] - along);
  if (gbias == nullptr) return;
  for (int64_t i = 0; i < n; ++i) gbias[i] += g[i];
}

template <class View>
auto* head_of(const View& view, int64_t b, int64_t h) {
  return view.data + b * view.batch + h * view.head;
}

}  // namespace

int64_t biased_scratch(const BiasedShape& shape) {
  return shape.keys * shape.width + shape.queries * shape.keys;
}

void biased_attention(const BiasedShape& shape, const HeadView& q, const HeadView& k,
                      const HeadView& v, const ScoreBias& bias, const HeadSpan& out, float* p,
                      float* scratch) {
  const int64_t queries = shape.queries, keys = shape.keys, width = shape.width;
  for (int64_t n = 0; n < shape.batch * shape.heads; ++n, p += queries * keys) {
    const int64_t b = n / shape.heads, h = n % shape.heads;
    turn(head_of(k, b, h), k.token, keys, width, scratch);
    product(queries, keys, width, {head_of(q, b, h), q.token, 1}, scratch, keys, shape.scale, p,
            keys);
    for (int64_t i = 0; i < queries; ++i) {
      const bool there = bias.data != nullptr;
      soften(p + i * keys, there ? head_of(bias, b, h) + i * bias.query : nullptr, keys);
    }
    product(queries, width, keys, {p, keys, 1}, head_of(v, b, h), v.token, 1, head_of(out, b, h),
            out.token);
  }
}

void biased_attention_back(const BiasedShape& shape, const HeadView& q, const HeadView& k,
                           const HeadView& v, const float* p, const HeadView& gout,
                           const HeadSpan& gq, const HeadSpan& gk, const HeadSpan& gv,
                           const ScoreBias& bias, float* gbias, float* scratch) {
  const int64_t queries = shape.queries, keys = shape.keys, width = shape.width;
  float* const turned = scratch;
  float* const scores = scratch + keys * width;
  for (int64_t n = 0; n < shape.batch * shape.heads; ++n, p += queries * keys) {
    const int64_t b = n / shape.heads, h = n % shape.heads;
    turn(head_of(v, b, h), v.token, keys, width, turned);
    product(queries, keys, width, {head_of(gout, b, h), gout.token, 1}, turned, keys, 1, scores,
            keys);
    float* to_bias = gbias == nullptr ? nullptr : gbias + b * bias.batch + h * bias.head;
    for (int64_t i = 0; i < queries; ++i) {
      harden(p + i * keys, scores + i * keys,
             to_bias == nullptr ? nullptr : to_bias + i * bias.query, keys);
    }
    product(queries, width, keys, {scores, keys, 1}, head_of(k, b, h), k.token, shape.scale,
            head_of(gq, b, h), gq.token);
    product(keys, width, queries, {scores, 1, keys}, head_of(q, b, h), q.token, shape.scale,
            head_of(gk, b, h), gk.token);
    product(keys, width, queries, {p, 1, keys}, head_of(gout, b, h), gout.token, 1,
            head_of(gv, b, h), gv.token);
  }
}

}  // namespace lethe::kernels
