#include "core/kernels/matrix_product.h"

#include <catch2/catch.hpp>

#include "core/kernels/isa.h"
#include "core/kernels/matrix_isa.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

using Run = decltype(&matrix_product_avx2);

/// a (rows, depth) and b (depth, columns) as they lie in the three products of a layer.
struct Layout {
  const char* name;
  bool a_turned, b_turned;
};
constexpr Layout kLayouts[] = {{"forward", false, true},
                               {"gradient of the input", false, false},
                               {"gradient of the weight", true, false},
                               {"both turned", true, true}};

MatrixView laid(const std::vector<float>& values, int64_t rows, int64_t columns, bool turned) {
  return turned ? MatrixView{values.data(), 1, rows} : MatrixView{values.data(), columns, 1};
}

/// The product into a matrix with two more columns, which have to stay.
void check_product(Run run, const Layout& layout, int64_t rows, int64_t columns, int64_t depth) {
  CAPTURE(layout.name, rows, columns, depth);
  const auto a = normal_values(static_cast<size_t>(rows * depth), 41);
  const auto b = normal_values(static_cast<size_t>(depth * columns), 42);
  const auto bias = normal_values(static_cast<size_t>(columns), 43);
  const auto before = normal_values(static_cast<size_t>(rows * (columns + 2)), 44);
  for (const bool add : {false, true}) {
    for (const float* added : {static_cast<const float*>(nullptr), bias.data()}) {
      std::vector<float> fast = before, slow = before;
      MatrixProduct product{rows,
                            columns,
                            depth,
                            laid(a, rows, depth, layout.a_turned),
                            laid(b, depth, columns, layout.b_turned),
                            fast.data(),
                            columns + 2,
                            add,
                            added};
      std::vector<float> scratch(static_cast<size_t>(matrix_scratch(product)), NAN);
      run(product, scratch.data());
      product.out = slow.data();
      multiply_reference(product);
      CHECK(bit_equal(fast, slow));
    }
  }
}

void check_shapes(Run run) {
  // One and less than one tile, panel, block; a depth and columns of more than one block.
  const int64_t shapes[][3] = {{1, 1, 1},    {6, 16, 8},     {5, 8, 7},     {13, 24, 9},
                               {97, 19, 33}, {100, 40, 300}, {12, 300, 20}, {200, 7, 513}};
  for (const Layout& layout : kLayouts) {
    for (const auto& [rows, columns, depth] : shapes) {
      check_product(run, layout, rows, columns, depth);
    }
  }
}

}  // namespace

TEST_CASE("dense products have the plain loop's bits on every instruction set") {
  check_shapes(matrix_product_avx2);
  if (has_avx512()) check_shapes(matrix_product_avx512);
}

TEST_CASE("a dense product by hand, of matrices with any strides") {
  // a = [1 2; 3 4; 5 6] in every second float, b = [1 0 -1; 2 1 0] by columns.
  const std::vector<float> a = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0}, b = {1, 2, 0, 1, -1, 0};
  const std::vector<float> bias = {10, 20, 30};
  std::vector<float> out(9, -1);
  MatrixProduct product{3, 3, 2, {a.data(), 4, 2}, {b.data(), 1, 2}, out.data(), 3};
  product.bias = bias.data();
  multiply(product);
  CHECK(out == std::vector<float>{15, 22, 29, 21, 24, 27, 27, 26, 25});
  product.bias = nullptr;
  product.add = true;
  multiply(product);
  CHECK(out == std::vector<float>{20, 24, 28, 32, 28, 24, 44, 32, 20});
}

TEST_CASE("a dense product over nothing is zero, or what was there") {
  std::vector<float> out(6, 3);
  MatrixProduct product{2, 3, 0, {nullptr, 0, 1}, {nullptr, 3, 1}, out.data(), 3, true};
  multiply(product);
  CHECK(out == std::vector<float>(6, 3));
  product.add = false;
  multiply(product);
  CHECK(out == std::vector<float>(6, 0));
}

}  // namespace lethe::kernels
