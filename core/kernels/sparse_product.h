// Products of a Linear layer with an input that is mostly zeros, as images on a black ground are.
// Raw pointers, free of libtorch, one thread.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// Whether at most 30 % of x (n) differ from zero: then these products beat a dense GEMM. NaN
/// differs.
bool mostly_zeros(const float* x, int64_t n);

/// y = x W^T + bias over the nonzeros of x alone, each sum in the order of the columns with fused
/// multiply-adds; x (rows, columns), w (outputs, columns), bias (outputs) or null, y (rows,
/// outputs). The same bits for any number of rows and on every instruction set. What surprises: an
/// infinite weight doesn't make NaN of a zero input.
void sparse_multiply(const float* x, int64_t rows, int64_t columns, const float* w, int64_t outputs,
                     const float* bias, float* y);

/// gw += gy^T x, over the nonzeros of x alone; gy (rows, outputs), gw (outputs, columns). Each sum
/// over 128 rows is taken in the order of the rows with fused multiply-adds and then added to gw.
void add_sparse_outer(const float* x, int64_t rows, int64_t columns, const float* gy,
                      int64_t outputs, float* gw);

}  // namespace lethe::kernels
