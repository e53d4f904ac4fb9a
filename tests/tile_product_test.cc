#include "core/kernels/tile_product.h"

#include <bit>
#include <catch2/catch.hpp>
#include <memory>

#include "core/kernels/blockwise8.h"
#include "core/kernels/isa.h"
#include "core/kernels/tile_isa.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

/// One weight in every format.
struct TileCase {
  TileCase(int64_t rows, int64_t columns, int64_t block)
      : dense(normal_values(static_cast<size_t>(rows * columns), 21)),
        nf4(four_bit_case(FourBit::nf4, dense, block)),
        fp4(four_bit_case(FourBit::fp4, dense, block)),
        nested_codes(nf4.absmax.size()),
        nested_absmax((nf4.absmax.size() + 255) / 256),
        int8_codes(dense.size()),
        int8_absmax(static_cast<size_t>(rows)) {
    NestedScales nested{&signed_dynamic_map(), nested_codes.data(), nested_absmax.data()};
    nested.offset = quantize_scales(nf4.absmax.data(), static_cast<int64_t>(nf4.absmax.size()),
                                    nested_codes.data(), nested_absmax.data());
    for (const float value : dense) {
      bf16.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    }
    quantize_rows_int8(dense.data(), rows, columns, 0, int8_codes.data(), int8_absmax.data());
    const Int8Matrix int8{int8_codes.data(), int8_absmax.data(), rows, columns};
    weights.push_back(std::make_unique<DenseTiles>(dense.data(), rows, columns));
    weights.push_back(std::make_unique<FourBitTiles>(FourBit::nf4, nf4.packed.data(),
                                                     nf4.absmax.data(), rows, columns, block));
    weights.push_back(std::make_unique<FourBitTiles>(FourBit::fp4, fp4.packed.data(),
                                                     fp4.absmax.data(), rows, columns, block));
    weights.push_back(std::make_unique<FourBitTiles>(FourBit::nf4, nf4.packed.data(), nested, rows,
                                                     columns, block));
    weights.push_back(std::make_unique<Int8Tiles>(int8));
    weights.push_back(std::make_unique<Bf16Tiles>(bf16.data(), rows, columns));
  }
  std::vector<float> dense;
  FourBitCase nf4, fp4;
  std::vector<uint8_t> nested_codes;
  std::vector<float> nested_absmax;
  std::vector<int8_t> int8_codes;
  std::vector<float> int8_absmax;
  std::vector<uint16_t> bf16;
  std::vector<std::unique_ptr<TiledWeight>> weights;
};

struct IsaProducts {
  decltype(&multiply_avx2) forward;
  decltype(&multiply_back_avx2) back;
};

void check_tile_products(const TiledWeight& w, int64_t tokens, const IsaProducts& isa) {
  CAPTURE(tokens, w.rows(), w.columns());
  const auto x = normal_values(static_cast<size_t>(tokens * w.columns()), 31);
  const auto gy = normal_values(static_cast<size_t>(tokens * w.rows()), 32);
  const auto bias = normal_values(static_cast<size_t>(w.rows()), 33);
  std::vector<float> y(gy.size(), -7), y_slow(y), gx(x.size(), -7), gx_slow(gx);
  std::vector<float> scratch(static_cast<size_t>(tile_scratch(tokens, w)), NAN);
  isa.forward(x.data(), tokens, w, bias.data(), scratch.data(), y.data());
  multiply_reference(x.data(), tokens, w, bias.data(), y_slow.data());
  CHECK(bit_equal(y, y_slow));
  isa.back(gy.data(), tokens, w, scratch.data(), gx.data());
  multiply_back_reference(gy.data(), tokens, w, gx_slow.data());
  CHECK(bit_equal(gx, gx_slow));
}

void check_shapes(const IsaProducts& isa) {
  const int64_t shapes[][2] = {{1, 1}, {5, 3}, {97, 64}, {12, 300}, {200, 129}, {300, 257}};
  for (const auto& [rows, columns] : shapes) {
    const TileCase made(rows, columns, 32);
    for (const auto& w : made.weights) {
      for (const int64_t tokens : {1, 13, 50}) check_tile_products(*w, tokens, isa);
    }
  }
}

}  // namespace

TEST_CASE("tile products have the reference's bits on every instruction set", "[tile]") {
  check_shapes({multiply_avx2, multiply_back_avx2});
  if (has_avx512()) check_shapes({multiply_avx512, multiply_back_avx512});
}

TEST_CASE("many tokens go through in equal shares with the same bits", "[tile]") {
  const TileCase made(40, 70, 64);
  const TiledWeight& w = *made.weights[3];
  const auto x = normal_values(500 * 70, 41), gy = normal_values(500 * 40, 42);
  std::vector<float> y(500 * 40), y_slow(y), gx(500 * 70), gx_slow(gx);
  std::vector<float> scratch(static_cast<size_t>(tile_scratch(500, w)));
  multiply(x.data(), 500, w, nullptr, scratch.data(), y.data());
  multiply_reference(x.data(), 500, w, nullptr, y_slow.data());
  CHECK(bit_equal(y, y_slow));
  multiply_back(gy.data(), 500, w, scratch.data(), gx.data());
  multiply_back_reference(gy.data(), 500, w, gx_slow.data());
  CHECK(bit_equal(gx, gx_slow));
}

TEST_CASE("a tile product is the product with the dequantised weight", "[tile]") {
  const TileCase made(30, 50, 64);
  const auto x = normal_values(4 * 50, 51);
  std::vector<float> y(4 * 30), scratch(static_cast<size_t>(tile_scratch(4, *made.weights[1])));
  multiply(x.data(), 4, *made.weights[1], nullptr, scratch.data(), y.data());
  for (size_t t = 0; t < 4; ++t) {
    for (size_t n = 0; n < 30; ++n) {
      double sum = 0;
      for (size_t k = 0; k < 50; ++k) sum += double{x[t * 50 + k]} * made.nf4.values[n * 50 + k];
      CHECK(y[t * 30 + n] == Approx(sum).margin(1e-5));
    }
  }
}

TEST_CASE("working memory is a copy of the tokens and a tile, not a weight", "[tile]") {
  const DenseTiles w(nullptr, 4096, 4096);
  CHECK(tile_scratch(128, w) < 144 * 4096 + 80'000);
  CHECK(tile_scratch(100'000, w) < 256 * 4096 + 100'000);
}

}  // namespace lethe::kernels
