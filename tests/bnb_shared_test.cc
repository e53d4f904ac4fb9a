// The 4-bit, 8-bit and int8 kernels against what bitsandbytes gave, byte for byte.
#include <catch2/catch.hpp>
#include <memory>

#include "core/kernels/blockwise8.h"
#include "core/kernels/int8_rows.h"
#include "core/kernels/tile_product.h"
#include "tests/bnb_case.h"
#include "tests/fourbit_case.h"
#include "tests/shared.h"

namespace lethe::kernels {
namespace {

std::unique_ptr<SafetensorsFile> bnb(const std::string& name) {
  const auto path = shared_path("fixtures/bnb/" + name + ".safetensors");
  if (!path) return nullptr;
  return std::make_unique<SafetensorsFile>(path->string());
}

std::vector<float> float_array(const SafetensorsFile& file, const std::string& name) {
  return array_of<float>(file.at(name));
}
std::vector<uint8_t> byte_array(const SafetensorsFile& file, const std::string& name) {
  return array_of<uint8_t>(file.at(name));
}

struct Nested {
  float offset;
  std::vector<uint8_t> codes;
  std::vector<float> absmax, scales;
};

Nested nested(const std::vector<float>& scales) {
  const auto n = static_cast<int64_t>(scales.size());
  Nested q{0, std::vector<uint8_t>(scales.size()),
           std::vector<float>(static_cast<size_t>((n + 255) / 256)),
           std::vector<float>(scales.size())};
  q.offset = quantize_scales(scales.data(), n, q.codes.data(), q.absmax.data());
  dequantize_scales(signed_dynamic_map(), q.codes.data(), q.absmax.data(), q.offset, 0, n,
                    kNestedBlock, q.scales.data());
  return q;
}

std::vector<float> values_of(FourBit format, const std::vector<uint8_t>& packed,
                             const std::vector<float>& scales, size_t n, int64_t block) {
  std::vector<float> values(n);
  dequantize_4bit(format, packed.data(), scales.data(), static_cast<int64_t>(n), block,
                  values.data());
  return values;
}

void check_four_bit(const SafetensorsFile& file, FourBit format, const std::string& size,
                    int64_t block) {
  const std::string name =
      std::string(four_bit_name(format)) + ".n" + size + ".bs" + std::to_string(block);
  CAPTURE(name);
  const auto x = float_array(file, "x_" + size);
  const FourBitCase q = four_bit_case(format, x, block);
  CHECK(q.packed == byte_array(file, name + ".packed"));
  CHECK(q.absmax == float_array(file, name + ".absmax"));
  CHECK(q.values == float_array(file, name + ".dequant"));
  CHECK(q.values == float_array(file, name + ".dequant_pytorch_kernel"));
  const Nested twice = nested(q.absmax);
  CHECK(std::vector<float>{twice.offset} == float_array(file, name + ".nested.offset"));
  CHECK(twice.codes == byte_array(file, name + ".nested.absmax_q"));
  // One scale alone leaves nothing: 0 here, 1e-38 there.
  CHECK(largest_difference(twice.absmax, float_array(file, name + ".nested.state2_absmax")) <=
        1.1e-38f);
  CHECK(twice.scales == float_array(file, name + ".nested.absmax_dequant"));
  CHECK(values_of(format, q.packed, twice.scales, x.size(), block) ==
        float_array(file, name + ".nested.dequant"));
}

/// A weight that was rounded to 16 bits, and its values rounded again.
void check_half(const SafetensorsFile& file, const std::string& name, const std::vector<float>& w,
                std::vector<uint16_t> (*rounded)(const std::vector<float>&)) {
  CAPTURE(name);
  const FourBitCase q = four_bit_case(FourBit::nf4, w);
  CHECK(q.packed == byte_array(file, name + ".packed"));
  CHECK(q.absmax == float_array(file, name + ".absmax"));
  CHECK(rounded(q.values) == array_of<uint16_t>(file.at(name + ".dequant")));
}

struct Int8Rows {
  std::vector<int8_t> codes;
  std::vector<float> absmax;
  std::vector<int64_t> outliers;
};

Int8Rows int8_rows(const std::vector<float>& x, int64_t rows, float threshold) {
  Int8Rows q{std::vector<int8_t>(x.size()), std::vector<float>(static_cast<size_t>(rows)), {}};
  q.outliers = quantize_rows_int8(x.data(), rows, static_cast<int64_t>(x.size()) / rows, threshold,
                                  q.codes.data(), q.absmax.data());
  return q;
}

/// Outputs with bitsandbytes' constant for 1 / 127^2 (backends/default/ops.py), which has a slip of
/// 1.8e-5, in place of the exact one.
std::vector<float> with_slip(const std::vector<float>& y, const std::vector<float>& bias) {
  std::vector<float> slipped(y.size());
  for (size_t i = 0; i < y.size(); ++i) {
    const double shift = bias[i % bias.size()];
    slipped[i] = static_cast<float>(shift + (y[i] - shift) * (6.200124e-05 * 127 * 127));
  }
  return slipped;
}

}  // namespace

TEST_CASE("nf4 and fp4, scales quantised twice too, equal bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("fourbit");
  if (!file) return;
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    const float* values = four_bit_values(format);
    CHECK(std::vector<float>(values, values + 16) ==
          float_array(*file, std::string(four_bit_name(format)) + ".code"));
    for (const std::string size : {"64", "4096", "4113"}) {
      for (const int64_t block : {64, 128}) check_four_bit(*file, format, size, block);
    }
  }
}

TEST_CASE("the dynamic maps equal bitsandbytes' bit for bit", "[bnb][shared]") {
  const auto file = bnb("fourbit");
  if (!file) return;
  const float *with_sign = signed_dynamic_map().values(),
              *without = unsigned_dynamic_map().values();
  CHECK(std::vector<float>(with_sign, with_sign + 256) == float_array(*file, "dynamic_map_signed"));
  CHECK(std::vector<float>(without, without + 256) == float_array(*file, "dynamic_map_unsigned"));
}

TEST_CASE("a weight in float32, bf16 and f16 equals bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("fourbit");
  if (!file) return;
  const auto w = float_array(*file, "W_96x64");
  const FourBitCase q = four_bit_case(FourBit::nf4, w);
  CHECK(q.packed == byte_array(*file, "W.nf4.packed"));
  const Nested twice = nested(q.absmax);
  CHECK(twice.codes == byte_array(*file, "W.nf4.absmax_q"));
  CHECK(std::vector<float>{twice.offset} == float_array(*file, "W.nf4.offset"));
  CHECK(twice.absmax == float_array(*file, "W.nf4.state2_absmax"));
  CHECK(values_of(FourBit::nf4, q.packed, twice.scales, w.size(), 64) ==
        float_array(*file, "W.nf4.dequant"));
  check_half(*file, "W.bf16.nf4", from_bf16(to_bf16(w)), to_bf16);
  check_half(*file, "W.f16.nf4", from_f16(to_f16(w)), to_f16);
}

TEST_CASE("313 scales in two blocks equal bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("fourbit_nested_20000");
  if (!file) return;
  const auto x = float_array(*file, "x");
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    const FourBitCase q = four_bit_case(format, x);
    const std::string name = four_bit_name(format);
    CHECK(q.packed == byte_array(*file, name + ".packed"));
    CHECK(q.absmax == float_array(*file, "absmax_f32"));
    const Nested twice = nested(q.absmax);
    CHECK(std::vector<float>{twice.offset} == float_array(*file, "offset"));
    CHECK(twice.codes == byte_array(*file, "absmax_q"));
    CHECK(twice.absmax == float_array(*file, "state2_absmax"));
    CHECK(twice.scales == float_array(*file, "absmax_dequant"));
    CHECK(values_of(format, q.packed, twice.scales, x.size(), 64) ==
          float_array(*file, name + ".dequant"));
  }
}

TEST_CASE("8-bit blocks equal bitsandbytes' exact kernel", "[bnb][shared]") {
  const auto file = bnb("blockwise8bit");
  if (!file) return;
  for (const std::string size : {"64", "4096", "4113"}) {
    for (const int64_t block : {64, 256, 4096}) {
      const std::string name = "n" + size + ".bs" + std::to_string(block);
      CAPTURE(name);
      const auto x = float_array(*file, "x_" + size);
      const auto n = static_cast<int64_t>(x.size());
      std::vector<uint8_t> codes(x.size());
      std::vector<float> absmax(static_cast<size_t>((n + block - 1) / block)), values(x.size());
      quantize_8bit(signed_dynamic_map(), x.data(), n, block, codes.data(), absmax.data());
      CHECK(codes == byte_array(*file, name + ".q"));
      CHECK(absmax == float_array(*file, name + ".absmax"));
      dequantize_8bit(signed_dynamic_map(), codes.data(), absmax.data(), n, block, values.data());
      CHECK(values == float_array(*file, name + ".dequant"));
    }
  }
}

TEST_CASE("nested and unsigned 8-bit blocks equal bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("blockwise8bit");
  if (!file) return;
  std::vector<uint8_t> codes(4096);
  std::vector<float> absmax(16), values(4096);
  quantize_8bit(unsigned_dynamic_map(), float_array(*file, "unsigned.x").data(), 4096, 256,
                codes.data(), absmax.data());
  CHECK(codes == byte_array(*file, "unsigned.q"));
  CHECK(absmax == float_array(*file, "unsigned.absmax"));
  dequantize_8bit(unsigned_dynamic_map(), codes.data(), absmax.data(), 4096, 256, values.data());
  CHECK(values == float_array(*file, "unsigned.dequant"));
  quantize_8bit(signed_dynamic_map(), float_array(*file, "xn_4096").data(), 4096, 256, codes.data(),
                absmax.data());
  CHECK(codes == byte_array(*file, "nested.q"));
  const Nested twice = nested(absmax);
  CHECK(std::vector<float>{twice.offset} == float_array(*file, "nested.offset"));
  CHECK(twice.codes == byte_array(*file, "nested.absmax_q"));
  CHECK(twice.absmax == float_array(*file, "nested.state2_absmax"));
  dequantize_8bit(signed_dynamic_map(), codes.data(), twice.scales.data(), 4096, 256,
                  values.data());
  CHECK(values == float_array(*file, "nested.dequant"));
}

TEST_CASE("int8 rows, outlier columns and sums equal bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("int8");
  if (!file) return;
  const auto w = int8_rows(float_array(*file, "W"), 40, 0);
  CHECK(w.codes == array_of<int8_t>(file->at("CB")));
  const auto rounded = int8_rows(from_f16(to_f16(float_array(*file, "W"))), 40, 0);
  CHECK(rounded.codes == array_of<int8_t>(file->at("linear8bitlt.weight_int8")));
  CHECK(w.absmax == float_array(*file, "SCB"));
  const auto x = float_array(*file, "A");
  const Int8Matrix matrix{w.codes.data(), w.absmax.data(), 40, 64};
  for (const std::string name : {"thr0", "thr6"}) {
    const float threshold = name == "thr6" ? 6.0f : 0.0f;
    const auto q = int8_rows(x, 12, threshold);
    CHECK(q.codes == array_of<int8_t>(file->at(name + ".CA")));
    CHECK(q.absmax == float_array(*file, name + ".SCA"));
    std::vector<int32_t> sums(480);
    multiply_int8(q.codes.data(), 12, matrix, sums.data());
    CHECK(sums == array_of<int32_t>(file->at(name + ".out_i32")));
    std::vector<float> y(480);
    linear_int8(x.data(), 12, matrix, threshold, float_array(*file, "bias").data(), y.data());
    // bitsandbytes' constant for 1 / 127^2 has a slip of 1.8e-5; sums reach 3.4.
    CHECK(largest_difference(y, float_array(*file, name + ".mixed_out")) < 1e-4f);
  }
  CHECK(int8_rows(x, 12, 6).outliers == array_of<int64_t>(file->at("thr6.outlier_cols")));
  const auto half = int8_rows(from_f16(array_of<uint16_t>(file->at("f16.A"))), 12, 6);
  CHECK(half.outliers == array_of<int64_t>(file->at("f16.thr6.outlier_cols")));
  CHECK(half.codes == array_of<int8_t>(file->at("f16.thr6.CA")));
  CHECK(half.absmax == float_array(*file, "f16.thr6.SCA"));
}

TEST_CASE("int8 sums in float, outlier columns aside, equal bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("int8");
  if (!file) return;
  const auto x = float_array(*file, "A"), bias = float_array(*file, "bias");
  for (const std::string name : {"thr0", "thr6"}) {
    CAPTURE(name);
    const float threshold = name == "thr6" ? 6.0f : 0.0f;
    auto w = int8_rows(float_array(*file, "W"), 40, 0);
    for (const int64_t k : int8_rows(x, 12, threshold).outliers) {
      for (int64_t row = 0; row < 40; ++row) w.codes[static_cast<size_t>(row * 64 + k)] = 0;
    }
    std::vector<float> y(480);
    linear_int8(x.data(), 12, {w.codes.data(), w.absmax.data(), 40, 64}, threshold, bias.data(),
                y.data());
    const auto golden = float_array(*file, name + ".out_dequant_f32");
    CHECK(largest_difference(y, golden) < 1e-4f);  // the slip alone: sums reach 3.4
    CHECK(largest_difference(with_slip(y, bias), golden) < 1e-6f);
  }
}

TEST_CASE("a Linear8bitLt's output is that of its dequantised weight", "[bnb][shared]") {
  const auto file = bnb("int8");
  if (!file) return;
  // The layer rounds W to f16 before it quantises; on the CPU, in training mode, it does not
  // quantise x (MatMul8bitFp in autograd/_functions.py).
  const auto w = int8_rows(from_f16(to_f16(float_array(*file, "W"))), 40, 0);
  const Int8Tiles tiles({w.codes.data(), w.absmax.data(), 40, 64});
  std::vector<float> y(480), scratch(static_cast<size_t>(tile_scratch(12, tiles)));
  multiply(float_array(*file, "A").data(), 12, tiles, float_array(*file, "bias").data(),
           scratch.data(), y.data());
  // The order of sums of 64 products, which reach 3.3.
  CHECK(largest_difference(y, float_array(*file, "linear8bitlt.out_f32_input")) < 3e-6f);
}

TEST_CASE("a dequantised int8 weight equals bitsandbytes", "[bnb][shared]") {
  const auto file = bnb("int8");
  if (!file) return;
  const auto w = int8_rows(float_array(*file, "W"), 40, 0);
  std::vector<float> values(2560);
  for (int64_t row = 0; row < 40; ++row) {
    dequantize_row_int8(w.codes.data() + row * 64, w.absmax[static_cast<size_t>(row)], 64,
                        values.data() + row * 64);
  }
  CHECK(largest_difference(values, float_array(*file, "W_dequant")) < 2e-7f);
}

}  // namespace lethe::kernels
