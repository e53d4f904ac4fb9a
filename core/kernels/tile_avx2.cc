// The dense products, tile products, the int8 product and those with sparse inputs, for x86-64-v3.
// The build adds -march=x86-64-v3 -O3 -fno-math-errno -ffp-contract=off.
#include "core/kernels/int8_loop.h"
#include "core/kernels/matrix_loop.h"
#include "core/kernels/sparse_loop.h"
#include "core/kernels/tile_loop.h"

namespace lethe::kernels {

void multiply_avx2(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                   float* scratch, float* y) {
  run_multiply(x, tokens, w, bias, scratch, y);
}

void multiply_back_avx2(const float* gy, int64_t tokens, const TiledWeight& w, float* scratch,
                        float* gx) {
  run_multiply_back(gy, tokens, w, scratch, gx);
}

void matrix_product_avx2(const MatrixProduct& product, float* scratch) {
  run_matrix_product(product, scratch);
}

void multiply_int8_avx2(const int8_t* x, int64_t tokens, const Int8Matrix& w,
                        const Int8Scratch& scratch, int32_t* out) {
  run_multiply_int8(x, tokens, w, scratch, out);
}

void sparse_multiply_avx2(const float* x, int64_t rows, int64_t columns, const float* w,
                          int64_t outputs, const float* bias, const SparseScratch& scratch,
                          float* y) {
  run_sparse_multiply(x, rows, columns, w, outputs, bias, scratch, y);
}

void add_sparse_outer_avx2(const float* x, int64_t rows, int64_t columns, const float* gy,
                           int64_t outputs, const SparseScratch& scratch, float* gw) {
  run_add_sparse_outer(x, rows, columns, gy, outputs, scratch, gw);
}

}  // namespace lethe::kernels
