// The instruction-set versions of the products with sparse inputs. Only core/kernels and its tests
// use it.
#pragma once

#include "core/kernels/sparse_product.h"

namespace lethe::kernels {

constexpr int64_t kSparseStrip = 80;    ///< outputs of one pass, held in registers
constexpr int64_t kSparseColumns = 96;  ///< columns of W that lie transposed in the nearest cache
constexpr int64_t kMultiplyRows = 512;  ///< most rows of one pass
constexpr int64_t kOuterRows = 128;     ///< most rows of one pass of the gradient

/// Room that a pass uses, rows and columns being those of x: where the nonzeros are, and sums.
struct SparseScratch {
  int32_t* at;   ///< rows * columns + 8: a nonzero's column within its block, or its row
  float* value;  ///< the same number
  int32_t*
      begin;    ///< where a row's or a column's nonzeros begin: columns + 1, and blocks * rows + 1
  float* sums;  ///< rows * kSparseStrip
};

/// The AVX-512 versions need what has_avx512() asks for. At most kMultiplyRows and kOuterRows rows.
void sparse_multiply_avx2(const float* x, int64_t rows, int64_t columns, const float* w,
                          int64_t outputs, const float* bias, const SparseScratch& scratch,
                          float* y);
void sparse_multiply_avx512(const float* x, int64_t rows, int64_t columns, const float* w,
                            int64_t outputs, const float* bias, const SparseScratch& scratch,
                            float* y);
void add_sparse_outer_avx2(const float* x, int64_t rows, int64_t columns, const float* gy,
                           int64_t outputs, const SparseScratch& scratch, float* gw);
void add_sparse_outer_avx512(const float* x, int64_t rows, int64_t columns, const float* gy,
                             int64_t outputs, const SparseScratch& scratch, float* gw);

}  // namespace lethe::kernels
