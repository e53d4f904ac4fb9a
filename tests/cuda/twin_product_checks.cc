// Twins of products, and what twins refuse.
#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/kernels/cuda.h"
#include "core/kernels/cuda_quantised.h"
#include "tests/cuda/there.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

std::vector<int8_t> codes_for_sums(int64_t n, uint64_t seed) {
  Random random(seed);
  std::vector<int8_t> codes(static_cast<size_t>(n));
  for (auto& code : codes) code = static_cast<int8_t>(random.below(255) - 127);
  return codes;
}

void check_int8_sums(Place& place, int64_t tokens, int64_t rows, int64_t columns, bool extreme) {
  CAPTURE(tokens, rows, columns, extreme);
  auto x = codes_for_sums(tokens * columns, 1), codes = codes_for_sums(rows * columns, 2);
  if (extreme) std::fill(x.begin(), x.end(), int8_t{-127});
  if (extreme) std::fill(codes.begin(), codes.end(), int8_t{-127});
  std::vector<int32_t> sums(static_cast<size_t>(tokens * rows));
  multiply_int8_reference(x.data(), tokens, {codes.data(), nullptr, rows, columns}, sums.data());
  const There<int8_t> left(place, x), right(place, codes);
  const There<int32_t> out(place, std::vector<int32_t>(sums.size(), -5));
  CHECK(multiply_int8_cuda(left.data(), tokens, {right.data(), nullptr, rows, columns}, out.data(),
                           nullptr) == 0);
  CHECK(out.holds(sums));
}

/// An int8 weight here and there.
struct Int8Pair {
  Int8Pair(Place& place, int64_t rows, int64_t columns)
      : codes(codes_for_sums(rows * columns, 3)),
        absmax(normal_values(static_cast<size_t>(rows), 4)),
        codes_there(place, codes),
        absmax_there(place, absmax),
        here{codes.data(), absmax.data(), rows, columns},
        there{codes_there.data(), absmax_there.data(), rows, columns} {}
  std::vector<int8_t> codes;
  std::vector<float> absmax;
  There<int8_t> codes_there;
  There<float> absmax_there;
  Int8Matrix here, there;
};

void check_linear(Place& place, int64_t tokens, const Int8Pair& w, float threshold) {
  const int64_t rows = w.here.rows, columns = w.here.columns;
  CAPTURE(tokens, rows, columns, threshold);
  const auto x = normal_values(static_cast<size_t>(tokens * columns), 5);
  const auto bias = normal_values(static_cast<size_t>(rows), 6);
  const There<float> inputs(place, x), shifts(place, bias);
  const There<char> scratch(
      place,
      std::vector<char>(static_cast<size_t>(linear_int8_cuda_scratch(tokens, columns)), 0x33));
  for (const bool biased : {false, true}) {
    std::vector<float> y(static_cast<size_t>(tokens * rows));
    const There<float> out(place, std::vector<float>(y.size(), -7));
    linear_int8(x.data(), tokens, w.here, threshold, biased ? bias.data() : nullptr, y.data());
    CHECK(linear_int8_cuda(inputs.data(), tokens, w.there, threshold,
                           biased ? shifts.data() : nullptr, scratch.data(), out.data(),
                           nullptr) == 0);
    CHECK(out.holds(y));
  }
  scratch.back();  // its guards
}

/// Both products of `there`, a weight by the arguments of the twins, against those of `here`.
template <class Weight>
void check_tiles(Place& place, int64_t tokens, const TiledWeight& here, const Weight& there) {
  CAPTURE(tokens, here.rows(), here.columns());
  const auto rows = static_cast<size_t>(here.rows()), columns = static_cast<size_t>(here.columns());
  auto x = normal_values(static_cast<size_t>(tokens) * columns, 7);
  auto gy = normal_values(static_cast<size_t>(tokens) * rows, 8);
  for (size_t i = 0; i < columns; ++i) x[i] *= -1e-44F;  // sums of -0
  for (size_t i = 0; i < rows; ++i) gy[i] *= 1e-44F;
  const auto bias = normal_values(rows, 9);
  std::vector<float> y(gy.size()), shifted(gy.size()), gx(x.size());
  multiply_reference(x.data(), tokens, here, nullptr, y.data());
  multiply_reference(x.data(), tokens, here, bias.data(), shifted.data());
  multiply_back_reference(gy.data(), tokens, here, gx.data());
  const There<float> inputs(place, x), gradients(place, gy), shifts(place, bias);
  const There<float> out(place, std::vector<float>(y.size(), -7)), out_shifted(place, out.back());
  const There<float> back(place, std::vector<float>(gx.size(), -7));
  CHECK(multiply_cuda(inputs.data(), tokens, there, nullptr, out.data(), nullptr) == 0);
  CHECK(multiply_cuda(inputs.data(), tokens, there, shifts.data(), out_shifted.data(), nullptr) ==
        0);
  CHECK(multiply_back_cuda(gradients.data(), tokens, there, back.data(), nullptr) == 0);
  CHECK(out.holds(y));
  CHECK(out_shifted.holds(shifted));
  CHECK(back.holds(gx));
}

void check_four_bit_tiles(Place& place, int64_t tokens, int64_t rows, int64_t columns,
                          int64_t block) {
  const auto dense = normal_values(static_cast<size_t>(rows * columns), 10);
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    CAPTURE(four_bit_name(format), block);
    const FourBitCase q = four_bit_case(format, dense, block);
    const There<uint8_t> packed(place, q.packed);
    const There<float> absmax(place, q.absmax);
    check_tiles(place, tokens,
                FourBitTiles(format, q.packed.data(), q.absmax.data(), rows, columns, block),
                FourBitMatrix{format, packed.data(), absmax.data(), {}, rows, columns, block});
  }
}

void check_nested_tiles(Place& place, int64_t tokens, int64_t rows, int64_t columns,
                        int64_t block) {
  const FourBitCase q =
      four_bit_case(FourBit::nf4, normal_values(static_cast<size_t>(rows * columns), 11), block);
  const auto scales = static_cast<int64_t>(q.absmax.size());
  std::vector<uint8_t> codes(q.absmax.size());
  std::vector<float> absmax(static_cast<size_t>((scales + kNestedBlock - 1) / kNestedBlock));
  NestedScales nested{&signed_dynamic_map(), codes.data(), absmax.data()};
  nested.offset = quantize_scales(q.absmax.data(), scales, codes.data(), absmax.data());
  const There<uint8_t> packed(place, q.packed), codes_there(place, codes);
  const There<float> absmax_there(place, absmax);
  const FourBitTiles here(FourBit::nf4, q.packed.data(), nested, rows, columns, block);
  nested.codes = codes_there.data();
  nested.absmax = absmax_there.data();
  check_tiles(place, tokens, here,
              FourBitMatrix{FourBit::nf4, packed.data(), nullptr, nested, rows, columns, block});
}

void check_every_weight(Place& place, int64_t tokens, int64_t rows, int64_t columns,
                        int64_t block) {
  check_four_bit_tiles(place, tokens, rows, columns, block);
  check_nested_tiles(place, tokens, rows, columns, block);
  const Int8Pair int8(place, rows, columns);
  check_tiles(place, tokens, Int8Tiles(int8.here), int8.there);
}

}  // namespace

void check_int8_product_twin(Place& place) {
  for (const int64_t tokens : {1, 65}) {
    for (const int64_t rows : {1, 5, 130}) {
      for (const int64_t columns : {1, 3, 4, 64, 66, 131}) {
        check_int8_sums(place, tokens, rows, columns, false);
      }
    }
  }
  check_int8_sums(place, 2, 3, 4096, true);
  if (place.fast()) check_int8_sums(place, 300, 1000, 1028, false);
}

void check_linear_int8_twin(Place& place) {
  const int64_t shapes[][2] = {{1, 1}, {5, 6}, {66, 64}, {30, 301}};
  for (const auto& [rows, columns] : shapes) {
    const Int8Pair w(place, rows, columns);
    for (const float threshold : {0.0F, 2.0F}) {
      for (const int64_t tokens : {1, 3}) check_linear(place, tokens, w, threshold);
    }
    check_linear(place, 70, w, 2.5F);
  }
}

void check_tile_product_twins(Place& place) {
  const int64_t shapes[][2] = {{1, 1}, {5, 3}, {97, 64}, {70, 129}, {130, 33}};
  for (const auto& [rows, columns] : shapes) {
    for (const int64_t tokens : {1, 13, 66}) check_every_weight(place, tokens, rows, columns, 32);
  }
  check_every_weight(place, 2, 40, 50, 64);
  check_every_weight(place, 2, 40, 250, 4096);
  if (place.fast()) check_every_weight(place, 300, 520, 1030, 64);
}

void check_twins_refuse(Place& place) {
  const There<float> one(place, {1});
  const There<uint8_t> byte(place, {1});
  const There<int8_t> code(place, {1});
  CHECK_THROWS_WITH(
      quantize_4bit_cuda(FourBit::fp4, one.data(), 1, 48, byte.data(), one.data(), nullptr),
      "a block of 48 elements; 4-bit formats have blocks of 32, 64, 128, ... 4096");
  FourBitMatrix weight{FourBit::fp4, byte.data(), one.data(), {}, 1, 1, 16};
  CHECK_THROWS_AS(multiply_cuda(one.data(), 1, weight, nullptr, one.data(), nullptr), Error);
  weight = {FourBit::fp4, byte.data(), nullptr, {}, 1, 1, 32};
  CHECK(multiply_back_cuda(one.data(), 1, weight, one.data(), nullptr) != 0);
  CHECK(quantize_rows_int8_cuda(one.data(), 1, 1, 2, code.data(), one.data(), nullptr, nullptr) !=
        0);
  CHECK(multiply_int8_cuda(code.data(), 1, {code.data(), nullptr, 1, 140'000}, nullptr, nullptr) !=
        0);
  Adam8Step step;
  CHECK(adamw8_step_cuda(step, nullptr) == 0);
  step.step = 0;
  CHECK(adamw8_step_cuda(step, nullptr) != 0);
  step = {};
  step.n = 1;
  CHECK(adamw8_step_cuda(step, nullptr) != 0);
  CHECK(quantize_8bit_cuda(signed_dynamic_map(), nullptr, 0, 256, nullptr, nullptr, nullptr) == 0);
  CHECK(quantize_scales_cuda(nullptr, 0, nullptr, nullptr, one.data(), nullptr) == 0);
  CHECK(one.holds({0}));
}

}  // namespace lethe::kernels
