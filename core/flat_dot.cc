#include "core/flat_dot.h"

#include <algorithm>

#include "core/kernels/dot.h"

namespace lethe {

double flat_dot(const Tensor& a, const Tensor& b) {
  const at::NoGradGuard no_grad;
  const bool floats = a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat;
  if (a.is_cpu() && floats)
    return kernels::dot(a.data_ptr<float>(), b.data_ptr<float>(), a.numel());
  constexpr int64_t kChunk = 1 << 22;  // bounds the copies in double precision
  Tensor sum = at::zeros({}, a.options().dtype(at::kDouble));
  for (int64_t from = 0; from < a.numel(); from += kChunk) {
    const int64_t length = std::min(kChunk, a.numel() - from);
    sum = sum + (a.narrow(0, from, length).to(at::kDouble) * b.narrow(0, from, length)).sum();
  }
  return sum.item<double>();
}

}  // namespace lethe
