#include "core/kernels/matrix_product.h"

#include <cmath>
#include <vector>

#include "core/kernels/counts.h"
#include "core/kernels/isa.h"
#include "core/kernels/matrix_isa.h"

namespace lethe::kernels {

int64_t matrix_scratch(const MatrixProduct& p) {
  const int64_t panels =
      rounded_up(lesser(p.columns, kProductColumns), kProductPanel) / kProductPanel;
  return panels * (lesser(p.depth, kProductDepth) * kProductPanel + kProductPad);
}

void multiply(const MatrixProduct& product) {
  thread_local std::vector<float> scratch;
  const auto needed = static_cast<size_t>(matrix_scratch(product));
  if (scratch.size() < needed) scratch.resize(needed);
  const auto run = use_avx512() ? matrix_product_avx512 : matrix_product_avx2;
  run(product, scratch.data());
}

void multiply_reference(const MatrixProduct& product) {
  const MatrixView &a = product.a, &b = product.b;
  for (int64_t i = 0; i < product.rows; ++i) {
    for (int64_t j = 0; j < product.columns; ++j) {
      float& out = product.out[i * product.out_row + j];
      float sum = product.add ? out : 0.0F;
      for (int64_t k = 0; k < product.depth; ++k) {
        sum = std::fma(a.data[i * a.row + k * a.step], b.data[k * b.row + j * b.step], sum);
      }
      out = product.bias == nullptr ? sum : sum + product.bias[j];
    }
  }
}

}  // namespace lethe::kernels
