#include "core/kernels/sparse_product.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/kernels/isa.h"
#include "core/kernels/sparse_isa.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

struct SparseShape {
  int64_t rows, columns, outputs;
};

/// Normal values of which one in four is kept; every fifth column is empty.
std::vector<float> image_like(const SparseShape& shape, uint64_t seed) {
  std::vector<float> x = normal_values(static_cast<size_t>(shape.rows * shape.columns), seed);
  const std::vector<float> kept = normal_values(x.size(), seed + 1);
  for (size_t i = 0; i < x.size(); ++i) {
    if (kept[i] < 0.67F || i % static_cast<size_t>(shape.columns) % 5 == 0) x[i] = 0;
  }
  return x;
}

/// Every sum by itself, in the order that the header states.
void naive_multiply(const SparseShape& s, const float* x, const float* w, const float* bias,
                    float* y) {
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t o = 0; o < s.outputs; ++o) {
      float sum = bias[o];
      for (int64_t c = 0; c < s.columns; ++c) {
        const float value = x[r * s.columns + c];
        if (value != 0) sum = std::fma(value, w[o * s.columns + c], sum);
      }
      y[r * s.outputs + o] = sum;
    }
  }
}

void naive_outer(const SparseShape& s, const float* x, const float* gy, float* gw) {
  for (int64_t o = 0; o < s.outputs; ++o) {
    for (int64_t c = 0; c < s.columns; ++c) {
      for (int64_t pass = 0; pass < s.rows; pass += 128) {
        float sum = 0;
        for (int64_t r = pass; r < std::min(s.rows, pass + 128); ++r) {
          sum = std::fma(x[r * s.columns + c], gy[r * s.outputs + o], sum);
        }
        gw[o * s.columns + c] += sum;
      }
    }
  }
}

struct SparseCase {
  explicit SparseCase(const SparseShape& s)
      : x(image_like(s, 11)),
        w(normal_values(static_cast<size_t>(s.outputs * s.columns), 13)),
        bias(normal_values(static_cast<size_t>(s.outputs), 14)),
        gy(normal_values(static_cast<size_t>(s.rows * s.outputs), 15)),
        y(gy.size(), NAN),
        y_slow(gy.size(), NAN),
        gw(w),
        gw_slow(w) {
    naive_multiply(s, x.data(), w.data(), bias.data(), y_slow.data());
    naive_outer(s, x.data(), gy.data(), gw_slow.data());
  }
  std::vector<float> x, w, bias, gy, y, y_slow, gw, gw_slow;
};

void check_isa(const SparseShape& s, decltype(&sparse_multiply_avx2) multiply,
               decltype(&add_sparse_outer_avx2) outer) {
  CAPTURE(s.rows, s.columns, s.outputs);
  SparseCase made(s);
  std::vector<int32_t> at(made.x.size() + 8), begin(made.x.size() + 2048);
  std::vector<float> value(at.size()), sums(static_cast<size_t>(s.rows * kSparseStrip));
  const SparseScratch scratch{at.data(), value.data(), begin.data(), sums.data()};
  multiply(made.x.data(), s.rows, s.columns, made.w.data(), s.outputs, made.bias.data(), scratch,
           made.y.data());
  outer(made.x.data(), s.rows, s.columns, made.gy.data(), s.outputs, scratch, made.gw.data());
  CHECK(bit_equal(made.y, made.y_slow));
  CHECK(bit_equal(made.gw, made.gw_slow));
}

}  // namespace

TEST_CASE("products over nonzeros have the naive sums' bits on every instruction set",
          "[sparse_product]") {
  const SparseShape shapes[] = {{1, 1, 1},      {3, 7, 5},       {128, 97, 80}, {17, 96, 81},
                                {100, 784, 40}, {128, 200, 163}, {9, 1024, 250}};
  for (const SparseShape& shape : shapes) {
    check_isa(shape, sparse_multiply_avx2, add_sparse_outer_avx2);
    if (has_avx512()) check_isa(shape, sparse_multiply_avx512, add_sparse_outer_avx512);
  }
}

TEST_CASE("more rows than one pass takes give the same sums", "[sparse_product]") {
  for (const int64_t rows : {129, 600}) {
    const SparseShape shape{rows, 90, 50};
    SparseCase made(shape);
    sparse_multiply(made.x.data(), rows, 90, made.w.data(), 50, made.bias.data(), made.y.data());
    add_sparse_outer(made.x.data(), rows, 90, made.gy.data(), 50, made.gw.data());
    CHECK(bit_equal(made.y, made.y_slow));
    CHECK(bit_equal(made.gw, made.gw_slow));
  }
}

TEST_CASE("NaN in the input reaches its row and its column", "[sparse_product]") {
  const SparseShape shape{4, 20, 6};
  SparseCase made(shape);
  made.x[2 * 20 + 3] = NAN;
  sparse_multiply(made.x.data(), 4, 20, made.w.data(), 6, nullptr, made.y.data());
  add_sparse_outer(made.x.data(), 4, 20, made.gy.data(), 6, made.gw.data());
  for (size_t r = 0; r < 4; ++r) {
    for (size_t o = 0; o < 6; ++o) CHECK(std::isnan(made.y[r * 6 + o]) == (r == 2));
  }
  for (size_t o = 0; o < 6; ++o) {
    for (size_t c = 0; c < 20; ++c) CHECK(std::isnan(made.gw[o * 20 + c]) == (c == 3));
  }
}

TEST_CASE("mostly zeros means that three tenths at most differ", "[sparse_product]") {
  std::vector<float> x(20000, 0);
  std::fill_n(x.begin() + 9000, 6000, 0.5F);
  CHECK(mostly_zeros(x.data(), 20000));
  x[3] = NAN;
  CHECK_FALSE(mostly_zeros(x.data(), 20000));
  x[3] = -0.0F;
  CHECK(mostly_zeros(x.data(), 20000));
}

}  // namespace lethe::kernels
