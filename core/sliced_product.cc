#include "core/sliced_product.h"

#include <algorithm>

#include "core/matrix_product.h"
#include "core/memory.h"

namespace lethe {
namespace {

void each_slice(int64_t out, int64_t in, int64_t unit, const WeightRows& rows,
                const std::function<void(int64_t from, int64_t n, const Tensor& slice)>& use) {
  // At most half of the weight, which is never whole.
  const int64_t half = ((out + 1) / 2 + unit - 1) / unit * unit;
  const int64_t at_once = std::max(unit, std::min(half, kSliceValues / in / unit * unit));
  for (int64_t from = 0; from < out; from += at_once) {
    const int64_t n = std::min(at_once, out - from);
    const MemoryTag tag(Category::workspace);
    use(from, n, rows(from, n));
  }
}

}  // namespace

Tensor multiply_slices(const Tensor& x, int64_t out, int64_t unit, const WeightRows& rows,
                       const Tensor& bias) {
  const Tensor y = at::empty({x.size(0), out}, x.options());
  each_slice(out, x.size(1), unit, rows, [&](int64_t from, int64_t n, const Tensor& slice) {
    y.narrow(1, from, n)
        .copy_(product(x, slice.t(), bias.defined() ? bias.narrow(0, from, n) : bias));
  });
  return y;
}

Tensor multiply_slices_back(const Tensor& gy, int64_t in, int64_t unit, const WeightRows& rows) {
  Tensor gx = at::zeros({gy.size(0), in}, gy.options());
  each_slice(gy.size(1), in, unit, rows, [&](int64_t from, int64_t n, const Tensor& slice) {
    add_product(gx, gy.narrow(1, from, n), slice);
  });
  return gx;
}

}  // namespace lethe
