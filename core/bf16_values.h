// Values stored in bfloat16 and computed with in float32: read, multiplied and looked up.
#pragma once

#include <cstdint>

#include "core/kernels/tile_product.h"
#include "core/torch.h"

namespace lethe {

class Model;

/// `value` in float32: itself, or a copy of one in bfloat16, through which its gradient flows.
inline Tensor widened(const Tensor& value) {
  return value.defined() && value.scalar_type() == at::kBFloat16 ? value.to(at::kFloat) : value;
}

/// The base values of every seam that are float32 become bfloat16, in memory of their own;
/// `trained` ones too, or only the others. Codes and scales of quantised bases stay as they are.
void narrow_values(Model& model, bool trained);

/// weight (out, in) in bfloat16, contiguous, on the CPU; to be used while it lives.
kernels::Bf16Tiles bf16_tiles(const Tensor& weight);
/// y (n, out) = x (n, in) W^T + bias, which may be null; float32, contiguous, on the CPU.
void multiply_tiles(const Tensor& x, const kernels::TiledWeight& tiles, const float* bias,
                    const Tensor& y);
/// gx (n, in) = gy (n, out) W; likewise.
void multiply_tiles_back(const Tensor& gy, const kernels::TiledWeight& tiles, const Tensor& gx);

/// x W^T + bias: (..., in) float32 -> (..., out) float32, weight (out, in) in bfloat16. No float32
/// weight is ever whole: on the CPU it is read in tiles, elsewhere in slices of rows. The weight's
/// gradient is made in float32, some rows at a time, and rounded once to bfloat16.
Tensor bf16_product(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// gy (..., out) W: (..., in), without a graph.
Tensor bf16_product_back(const Tensor& gy, const Tensor& weight);

/// Rows of `table` (rows, width) in bfloat16 by id: (...) -> (..., width) float32. The gradient of
/// a row is summed over its look-ups in float32 and rounded once; look-ups of `padding_row` give
/// none (-1 = no such row).
Tensor bf16_rows(const Tensor& table, const Tensor& ids, int64_t padding_row);

}  // namespace lethe
