// Dense float32 products for training: raw pointers, free of libtorch, one thread. A model's
// weights are small beside its rows of activations, so only the weight is copied, into an order in
// which it is read once; activations are read where they lie.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// A matrix to read: element (i, j) is data[i * row + j * step].
struct MatrixView {
  const float* data;
  int64_t row, step;
};

/// out (rows, columns) = a (rows, depth) b (depth, columns) + bias (columns, may be null); with
/// `add`, out is added to in place of written.
struct MatrixProduct {
  int64_t rows, columns, depth;
  MatrixView a, b;
  float* out;
  int64_t out_row;  ///< floats from row to row
  bool add = false;
  const float* bias = nullptr;
};

/// Each output is one chain of fused multiply-adds over the depth in order, from 0 or, with `add`,
/// from what was there, then the bias: equal bits on every instruction set and for every number of
/// rows, and those of the tile products (core/kernels/tile_product.h). Any counts, 0 too. Fast
/// where the step of a is 1, and the row or the step of b. Each thread keeps 260 KB to copy into,
/// which no meter sees, as those of a BLAS.
void multiply(const MatrixProduct& product);

/// The same by the plain loop.
void multiply_reference(const MatrixProduct& product);

}  // namespace lethe::kernels
