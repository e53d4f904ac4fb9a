#include <catch2/catch.hpp>

#include "core/kernels/blockwise8.h"
#include "core/kernels/tile_product.h"
#include "tests/bnb_case.h"
#include "tests/fourbit_case.h"
#include "tests/shared.h"

namespace lethe::kernels {
namespace {

/// y and the gradient for x are those of bitsandbytes up to the order of their sums.
void check_against(const SafetensorsFile& file, const std::string& name, const TiledWeight& w) {
  CAPTURE(name);
  const auto floats = [&](const std::string& one) { return array_of<float>(file.at(one)); };
  std::vector<float> y(5 * 96), gx(5 * 64), scratch(static_cast<size_t>(tile_scratch(5, w)));
  multiply(floats("x").data(), 5, w, nullptr, scratch.data(), y.data());
  CHECK(largest_difference(y, floats(name + ".y")) < 1e-5f);
  multiply_back(floats("gy").data(), 5, w, scratch.data(), gx.data());
  CHECK(largest_difference(gx, floats(name + ".grad_x")) < 1e-5f);
}

}  // namespace

TEST_CASE("4-bit products and their gradients equal bitsandbytes", "[tile][shared]") {
  const auto path = shared_path("fixtures/bnb/matmul_4bit.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  const auto w = four_bit_case(FourBit::nf4, array_of<float>(file.at("W")));
  check_against(file, "plain",
                FourBitTiles(FourBit::nf4, w.packed.data(), w.absmax.data(), 96, 64, 64));
  std::vector<uint8_t> codes(96);
  float absmax = 0;
  NestedScales nested{&signed_dynamic_map(), codes.data(), &absmax};
  nested.offset = quantize_scales(w.absmax.data(), 96, codes.data(), &absmax);
  check_against(file, "nested", FourBitTiles(FourBit::nf4, w.packed.data(), nested, 96, 64, 64));
}

}  // namespace lethe::kernels
