// Dense products of two matrices, by whoever multiplies faster here.
#pragma once

#include "core/torch.h"

namespace lethe {

/// a b + bias: (R, D) (D, C) -> (R, C); bias (C) or undefined. Views such as a transpose cost
/// nothing. No graph. float32 on one thread of a CPU is multiplied by core/kernels/matrix_product.h
/// where that is faster than the library that libtorch calls (docs/benchmarks.md); anything else by
/// libtorch.
Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias = {});

/// Whether products are Lethe's own: what `forced` (the environment's LETHE_PRODUCTS, may be null
/// or empty) says, lethe or libtorch, or else where the processor is not Intel's. Throws Error for
/// another word.
bool choose_own_products(const char* forced, bool intel);

/// total (R, C) += a b.
void add_product(Tensor& total, const Tensor& a, const Tensor& b);

}  // namespace lethe
