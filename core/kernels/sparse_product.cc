#include "core/kernels/sparse_product.h"

#include <algorithm>
#include <memory>

#include "core/kernels/counts.h"
#include "core/kernels/isa.h"
#include "core/kernels/sparse_isa.h"

namespace lethe::kernels {

bool mostly_zeros(const float* x, int64_t n) {
  constexpr int64_t kChunk = 4096;
  const int64_t most = 3 * n / 10;
  int64_t nonzeros = 0;
  for (int64_t begin = 0; begin < n && nonzeros <= most; begin += kChunk) {
    const int64_t end = std::min(n, begin + kChunk);
    int32_t some = 0;
    for (int64_t i = begin; i < end; ++i) some += x[i] != 0 ? 1 : 0;
    nonzeros += some;
  }
  return nonzeros <= most;
}

namespace {

/// Pages that no pass touches cost nothing.
struct SparseRoom {
  SparseRoom(int64_t rows, int64_t columns)
      : at(new int32_t[static_cast<size_t>(rows * columns + 8)]),
        value(new float[static_cast<size_t>(rows * columns + 8)]),
        begin(new int32_t[static_cast<size_t>(
            std::max(columns, rows * (rounded_up(columns, kSparseColumns) / kSparseColumns)) + 1)]),
        sums(new float[static_cast<size_t>(rows * kSparseStrip)]) {}

  SparseScratch scratch() const { return {at.get(), value.get(), begin.get(), sums.get()}; }

  std::unique_ptr<int32_t[]> at;
  std::unique_ptr<float[]> value;
  std::unique_ptr<int32_t[]> begin;
  std::unique_ptr<float[]> sums;
};

}  // namespace

void sparse_multiply(const float* x, int64_t rows, int64_t columns, const float* w, int64_t outputs,
                     const float* bias, float* y) {
  const auto run = use_avx512() ? sparse_multiply_avx512 : sparse_multiply_avx2;
  const SparseRoom room(std::min(rows, kMultiplyRows), columns);
  for (int64_t r = 0; r < rows; r += kMultiplyRows) {
    run(x + r * columns, std::min(kMultiplyRows, rows - r), columns, w, outputs, bias,
        room.scratch(), y + r * outputs);
  }
}

void add_sparse_outer(const float* x, int64_t rows, int64_t columns, const float* gy,
                      int64_t outputs, float* gw) {
  const auto run = use_avx512() ? add_sparse_outer_avx512 : add_sparse_outer_avx2;
  const SparseRoom room(std::min(rows, kOuterRows), columns);
  for (int64_t r = 0; r < rows; r += kOuterRows) {
    run(x + r * columns, std::min(kOuterRows, rows - r), columns, gy + r * outputs, outputs,
        room.scratch(), gw);
  }
}

}  // namespace lethe::kernels
