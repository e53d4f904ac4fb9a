// Tensors of attention heads (B, H, T, D) as the kernels of core/kernels take them.
#pragma once

#include "core/kernels/attention.h"
#include "core/torch.h"

namespace lethe {

inline kernels::HeadView read_heads(const Tensor& x) {
  return {x.const_data_ptr<float>(), x.stride(0), x.stride(1), x.stride(2)};
}

inline kernels::HeadSpan written_heads(const Tensor& x) {
  return {x.mutable_data_ptr<float>(), x.stride(0), x.stride(1), x.stride(2)};
}

/// Values of one head and token side by side.
inline Tensor dense_heads(const Tensor& x) { return x.stride(3) == 1 ? x : x.contiguous(); }

/// Empty, like x, in the memory of (B, T, H, D), which projections take and give without a copy.
inline Tensor laid_by_token(const Tensor& x) {
  return at::empty({x.size(0), x.size(2), x.size(1), x.size(3)}, x.options()).transpose(1, 2);
}

}  // namespace lethe
