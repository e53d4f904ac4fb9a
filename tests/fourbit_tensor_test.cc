#include "core/formats/fourbit_tensor.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "core/error.h"
#include "core/formats/fourbit_state.h"
#include "tests/fourbit_case.h"

namespace lethe {
namespace {

using kernels::FourBit;

/// A (5, 33) weight in blocks of 32: an odd number of elements, a short last block.
struct TensorCase {
  explicit TensorCase(FourBit format, bool nest)
      : x(kernels::normal_values(165, 7)), q(kernels::four_bit_case(format, x, 32)) {
    weight = {.format = format, .block = 32, .dtype = "bfloat16", .shape = {5, 33}};
    weight.packed = q.packed.data();
    if (nest) {
      weight.nested = nested_absmax(q.absmax);
    } else {
      weight.absmax = q.absmax;
    }
    parts = four_bit_parts(weight, "layer.weight");
  }
  /// The message that reading gives after `name` was made to hold `text`.
  std::string error(const std::string& name, const std::string& text) {
    StoredTensor& tensor = parts.tensors.at(name);
    changed = text;
    tensor.data = reinterpret_cast<const uint8_t*>(changed.data());
    tensor.bytes = text.size();
    const uint64_t width = tensor.dtype == "F32" ? 4 : 1;
    tensor.shape = {static_cast<int64_t>(text.size() / width)};
    return error();
  }
  std::string error() const {
    try {
      read_four_bit("model.safetensors", parts.tensors, "layer.weight");
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  std::vector<float> x;
  kernels::FourBitCase q;
  FourBitTensor weight;
  FourBitParts parts;
  std::string changed;
};

std::string text_of(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), tensor.bytes};
}

constexpr const char* kStateName = "layer.weight.quant_state.bitsandbytes__nf4";

}  // namespace

TEST_CASE("a 4-bit weight comes back from its parts", "[fourbit_tensor]") {
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    for (const bool nest : {false, true}) {
      const TensorCase made(format, nest);
      const auto& tensors = made.parts.tensors;
      CHECK(tensors.size() == (nest ? 6 : 4));
      CHECK(is_four_bit(tensors, "layer.weight"));
      CHECK_FALSE(is_four_bit(tensors, "layer"));
      const auto read = read_four_bit("model.safetensors", tensors, "layer.weight");
      CHECK(read.format == format);
      CHECK(read.block == 32);
      CHECK(read.dtype == "bfloat16");
      CHECK(read.shape == std::vector<int64_t>{5, 33});
      CHECK(std::memcmp(read.packed, made.q.packed.data(), 83) == 0);
      CHECK(read.nested.has_value() == nest);
      CHECK(read.scales() == made.weight.scales());
      CHECK(tensors.at("layer.weight").shape == std::vector<int64_t>{83, 1});
    }
  }
}

TEST_CASE("a 4-bit state is written as bitsandbytes writes it", "[fourbit_tensor]") {
  CHECK(text_of(TensorCase(FourBit::nf4, false).parts.tensors.at(kStateName)) ==
        R"({"quant_type": "nf4", "blocksize": 32, "dtype": "bfloat16", "shape": [5, 33]})");
  FourBitState state{FourBit::fp4, 64, "float32", {96, 64}, 256, 0.13004447519779205};
  CHECK(four_bit_state_text(state) ==
        R"({"quant_type": "fp4", "blocksize": 64, "dtype": "float32", "shape": [96, 64], )"
        R"("nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": )"
        R"(0.13004447519779205})");
  state.nested_offset = 2;
  CHECK(four_bit_state_text(state).ends_with("\"nested_offset\": 2.0}"));
  state.nested_offset = 1e-5f;
  CHECK(four_bit_state_text(state).ends_with("\"nested_offset\": 9.999999747378752e-06}"));
}

TEST_CASE("codes and scales that disagree with the shape are named", "[fourbit_tensor]") {
  const TensorCase whole(FourBit::nf4, false);
  CHECK(TensorCase(whole).error("layer.weight", std::string(82, 'x')) ==
        "model.safetensors: 'layer.weight' holds 82 bytes of codes, expected 83 for the 165 "
        "elements of its quant_state");
  CHECK(TensorCase(whole).error("layer.weight.absmax", std::string(20, '\0')) ==
        "model.safetensors: 'layer.weight.absmax' holds 5 F32, expected 6 F32: one for each 32 of "
        "165 elements");
  CHECK(TensorCase(whole).error("layer.weight.absmax", std::string(24, '\xff')) ==
        "model.safetensors: 'layer.weight.absmax' holds -nan at 0, expected finite numbers");
  CHECK(TensorCase(whole).error("layer.weight.quant_map", std::string(64, '\0')) ==
        "model.safetensors: 'layer.weight.quant_map' gives code 0 the value 0, and nf4 has -1");
  TensorCase lacking(whole);
  lacking.parts.tensors.erase("layer.weight.absmax");
  CHECK(lacking.error() ==
        "model.safetensors: the 4-bit weight 'layer.weight' has no 'layer.weight.absmax'; fetch or "
        "write the checkpoint again");
  lacking.parts.tensors.erase(kStateName);
  CHECK(lacking.error() ==
        "model.safetensors: 'layer.weight' is no 4-bit weight: it has no quant_state of "
        "bitsandbytes nf4 or fp4");
}

TEST_CASE("nested scales that disagree are named", "[fourbit_tensor]") {
  const TensorCase whole(FourBit::nf4, true);
  CHECK(TensorCase(whole).error("layer.weight.absmax", "abc") ==
        "model.safetensors: 'layer.weight.absmax' holds 3 U8, expected 6 U8: one code a block, as "
        "scales nest");
  CHECK(TensorCase(whole).error("layer.weight.nested_absmax", "") ==
        "model.safetensors: 'layer.weight.nested_absmax' holds 0 F32, expected 1 F32: one for each "
        "256 of 6 blocks");
  std::vector<float> falling(256);
  falling[3] = -1;
  const std::string bytes(reinterpret_cast<const char*>(falling.data()), 1024);
  CHECK(TensorCase(whole).error("layer.weight.nested_quant_map", bytes) ==
        "model.safetensors: 'layer.weight.nested_quant_map': entry 3 of an 8-bit map is -1; "
        "expected 256 finite values that rise");
}

TEST_CASE("a 4-bit state that cannot be is refused", "[fourbit_tensor]") {
  const TensorCase whole(FourBit::nf4, false);
  const auto error = [&](const std::string& text) {
    return TensorCase(whole).error(kStateName, text);
  };
  const std::string where = "model.safetensors: 'layer.weight.quant_state.bitsandbytes__nf4'";
  CHECK(error("[]") == where + " is no JSON object");
  CHECK(error("{") == where + " is no JSON object");
  CHECK(error("{}") == where + " has no member 'quant_type'");
  const std::string begin = R"({"quant_type": "nf4", "blocksize": )";
  CHECK(error(R"({"quant_type": "fp4"})") == where + ".quant_type: expected nf4, found \"fp4\"");
  CHECK(error(begin + "48}") ==
        where + ": a block of 48 elements; 4-bit formats have blocks of 32, 64, 128, ... 4096");
  CHECK(error(begin + R"(32, "dtype": "int8"})") ==
        where + ".dtype: expected float32, bfloat16 or float16, found \"int8\"");
  CHECK(error(begin + R"(32, "dtype": "float16", "shape": [3, 0]})") ==
        where + ".shape[1]: expected a size above 0 of a weight that fits into memory, found 0");
  CHECK(error(begin + R"(32, "dtype": "float16", "shape": [4000000000, 4000000000]})") ==
        where +
            ".shape[1]: expected a size above 0 of a weight that fits into memory, found "
            "4000000000");
  CHECK(error(begin + R"(32, "dtype": "float16", "shape": [5, 33], "nested_blocksize": 0})") ==
        where + ".nested_blocksize: expected a number above 0, found 0");
}

}  // namespace lethe
