#include <catch2/catch.hpp>
#include <cmath>

#include "core/kernels/int8_isa.h"
#include "core/kernels/isa.h"
#include "core/random.h"

namespace lethe::kernels {
namespace {

using Int8Product = void (*)(const int8_t*, int64_t, const Int8Matrix&, const Int8Scratch&,
                             int32_t*);

const std::vector<float> kInputs = {0.5f, -1.25f, 0.75f, 60,    -0.1f, 0.3f, 1.5f,  0.2f,  -0.6f,
                                    0.4f, 0.9f,   -1.1f, -0.3f, 0.8f,  1.2f, -6.0f, 0.25f, 0.6f};
const std::vector<float> kWeights = {0.5f,   -0.25f, 0.1f, 0.03f,  -0.8f, 0.4f,
                                     -0.15f, 0.65f,  0.3f, -0.02f, 0.2f,  -0.9f};

struct Int8Case {
  std::vector<int8_t> codes;
  std::vector<float> absmax;
  std::vector<int64_t> outliers;
};

Int8Case int8_case(const std::vector<float>& x, int64_t rows, float threshold = 0) {
  Int8Case q{std::vector<int8_t>(x.size(), 99), std::vector<float>(static_cast<size_t>(rows)), {}};
  q.outliers = quantize_rows_int8(x.data(), rows, static_cast<int64_t>(x.size()) / rows, threshold,
                                  q.codes.data(), q.absmax.data());
  return q;
}

std::vector<int32_t> sums_of(const Int8Case& x, int64_t tokens, const Int8Matrix& w) {
  std::vector<int32_t> sums(static_cast<size_t>(tokens * w.rows));
  multiply_int8(x.codes.data(), tokens, w, sums.data());
  return sums;
}

std::vector<float> outputs_of(const Int8Case& w, float threshold) {
  std::vector<float> y(6);
  linear_int8(kInputs.data(), 3, {w.codes.data(), w.absmax.data(), 2, 6}, threshold, nullptr,
              y.data());
  return y;
}

std::vector<int8_t> random_codes(int64_t n, uint64_t seed) {
  Random random(seed);
  std::vector<int8_t> codes(static_cast<size_t>(n));
  for (auto& code : codes) code = static_cast<int8_t>(random.below(255) - 127);
  return codes;
}

void check_product(Int8Product run, int64_t tokens, int64_t rows, int64_t columns, bool extreme) {
  CAPTURE(tokens, rows, columns, extreme);
  auto x = random_codes(tokens * columns, 1), codes = random_codes(rows * columns, 2);
  if (extreme) {
    std::fill(x.begin(), x.end(), int8_t{-127});
    std::fill(codes.begin(), codes.end(), int8_t{-127});
  }
  const Int8Matrix w{codes.data(), nullptr, rows, columns};
  const int64_t held = (tokens + 15) / 16 * 16, depth = (columns + 511) / 512 * 512;
  std::vector<int16_t> packed(static_cast<size_t>(held * depth)), tile(kInt8Strip * kInt8Pitch);
  std::vector<int32_t> sums(static_cast<size_t>(kInt8Strip * held));
  std::vector<int32_t> out(static_cast<size_t>(tokens * rows), -5), expected(out);
  run(x.data(), tokens, w, {packed.data(), tile.data(), sums.data()}, out.data());
  multiply_int8_reference(x.data(), tokens, w, expected.data());
  CHECK(out == expected);
}

void check_products(Int8Product run) {
  for (const int64_t tokens : {1, 15, 16, 33}) {
    for (const int64_t rows : {1, 5, 12, 97, 192}) {
      for (const int64_t columns : {1, 2, 31, 64, 511, 512, 1030, 1031}) {
        check_product(run, tokens, rows, columns, false);
      }
    }
  }
  check_product(run, 2, 3, 4096, true);
}

}  // namespace

TEST_CASE("int8 rows and outlier columns have the golden codes and sums", "[int8]") {
  const auto w = int8_case(kWeights, 2);
  CHECK(w.absmax == std::vector<float>{0.8f, 0.9f});
  CHECK(w.codes == std::vector<int8_t>{79, -40, 16, 5, -127, 64, -21, 92, 42, -3, 28, -127});
  const auto x = int8_case(kInputs, 3, 6);
  CHECK(x.outliers == std::vector<int64_t>{3});
  CHECK(x.absmax == std::vector<float>{1.25f, 1.5f, 1.2f});
  CHECK(x.codes == std::vector<int8_t>{51, -127, 76, 0, -10, 30, 127, 17, -51, 0, 76, -93, -32, 85,
                                       127, 0, 26, 64});
  CHECK(sums_of(x, 3, {w.codes.data(), w.absmax.data(), 2, 6}) ==
        std::vector<int32_t>{13515, -13653, -7067, 10694, -3102, 6426});
}

TEST_CASE("mixed int8 outputs have the golden values", "[int8]") {
  const auto w = int8_case(kWeights, 2);
  const Int8Matrix matrix{w.codes.data(), w.absmax.data(), 2, 6};
  const std::vector<float> bias = {10, -20};
  std::vector<float> y(6), shifted(6);
  linear_int8(kInputs.data(), 3, matrix, 6, nullptr, y.data());
  const double golden[] = {2.7276955, -2.2278892, -0.5131874, 0.8865856, -0.3736078, 0.5578449};
  for (size_t i = 0; i < 6; ++i) CHECK(y[i] == Approx(golden[i]).epsilon(1e-6));
  linear_int8(kInputs.data(), 3, matrix, 6, bias.data(), shifted.data());
  for (size_t i = 0; i < 6; ++i) CHECK(shifted[i] == y[i] + bias[i % 2]);
}

TEST_CASE("without a threshold an outlier takes the range of its row", "[int8]") {
  const auto w = int8_case(kWeights, 2);
  const auto x = int8_case(kInputs, 3);
  CHECK(x.outliers.empty());
  CHECK(x.absmax == std::vector<float>{60, 1.5f, 6});
  CHECK(std::vector<int8_t>(x.codes.begin(), x.codes.begin() + 6) ==
        std::vector<int8_t>{1, -3, 2, 127, 0, 1});
  // The spec (quantization.md, G5) has the first two sums; the others are by hand.
  CHECK(sums_of(x, 3, {w.codes.data(), w.absmax.data(), 2, 6}) ==
        std::vector<int32_t>{930, -721, -6897, 10592, -1192, 1610});
}

TEST_CASE("int8 outputs without a threshold are sums times both scales by 127^2", "[int8]") {
  const auto w = int8_case(kWeights, 2);
  const auto y = outputs_of(w, 0);
  const double sums[] = {930, -721, -6897, 10592, -1192, 1610}, tokens[] = {60, 1.5, 6},
               rows[] = {0.8, 0.9};
  for (size_t i = 0; i < 6; ++i) {
    CHECK(y[i] == Approx(sums[i] * tokens[i / 2] * rows[i % 2] / (127 * 127)).epsilon(1e-6));
  }
}

TEST_CASE("int8 outputs miss the exact product by the golden errors", "[int8]") {
  // The spec's G5 (quantization.md), which gives four digits of each error.
  const double exact[] = {2.6375, -2.1525, -0.508, 0.887, -0.37, 0.555};
  const auto w = int8_case(kWeights, 2);
  for (const auto& [threshold, golden] : {std::pair{6.0f, 0.0902}, std::pair{0.0f, 0.2614}}) {
    CAPTURE(threshold);
    const auto y = outputs_of(w, threshold);
    double worst = 0;
    for (size_t i = 0; i < 6; ++i) worst = std::max(worst, std::fabs(y[i] - exact[i]));
    CHECK(worst == Approx(golden).epsilon(0).margin(5e-5));
  }
}

TEST_CASE("halves round to even, rows of zeros stay zeros", "[int8]") {
  const auto q = int8_case({127, 0.5f, 1.5f, -2.5f, 0, 0, 0, 0}, 2);
  CHECK(q.codes == std::vector<int8_t>{127, 0, 2, -2, 0, 0, 0, 0});
  CHECK(q.absmax == std::vector<float>{127, 0});
}

TEST_CASE("one row alone loses its outliers, not their columns' other values", "[int8]") {
  const auto q = int8_case({7, 1, -0.5f}, 1, 6);
  CHECK(q.codes == std::vector<int8_t>{0, 127, -64});
  CHECK(q.outliers == std::vector<int64_t>{0});
}

TEST_CASE("the int8 product is exact on every instruction set", "[int8]") {
  check_products(multiply_int8_avx2);
  if (has_avx512()) check_products(multiply_int8_avx512);
}

TEST_CASE("an int8 product too long for 32-bit sums is refused", "[int8]") {
  CHECK_THROWS_WITH(multiply_int8(nullptr, 1, {nullptr, nullptr, 1, 140000}, nullptr),
                    "an int8 product over 140000 columns; at most 133000 fit into 32-bit sums, "
                    "use a float base");
}

}  // namespace lethe::kernels
