// The instruction-set versions of the dense products, and their block sizes. Only core/kernels and
// its tests use it.
#pragma once

#include "core/kernels/matrix_product.h"

namespace lethe::kernels {

// Of b 256 x 256 values are copied at a time, which stay in the second-level cache beside 144
// rows of a; of those copies 16 columns at a time stay in the first-level cache.
constexpr int64_t kProductDepth = 256;
constexpr int64_t kProductColumns = 256;
constexpr int64_t kProductRows = 144;  ///< a multiple of every version's rows in registers
constexpr int64_t kProductPanel = 16;
constexpr int64_t kProductPad = 16;  ///< floats between panels

/// Floats of scratch that the product needs: at most 65,792.
int64_t matrix_scratch(const MatrixProduct& product);

/// The AVX-512 version needs what has_avx512() asks for.
void matrix_product_avx2(const MatrixProduct& product, float* scratch);
void matrix_product_avx512(const MatrixProduct& product, float* scratch);

}  // namespace lethe::kernels
