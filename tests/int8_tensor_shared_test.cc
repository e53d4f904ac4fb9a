// bitsandbytes' own int8 weight written and read again, byte for byte, and what it computes.
#include <catch2/catch.hpp>
#include <cstring>

#include "core/formats/int8_tensor.h"
#include "core/kernels/int8_rows.h"
#include "tests/bnb_case.h"
#include "tests/files.h"
#include "tests/shared.h"

namespace lethe {
namespace {

std::string bytes_of_stored(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), tensor.bytes};
}

}  // namespace

TEST_CASE("a weight is written as the codes and scales that bitsandbytes has of it",
          "[int8_tensor][shared]") {
  const auto path = shared_path("fixtures/bnb/int8.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  const auto w = array_of<float>(file.at("W"));
  std::vector<int8_t> codes(w.size());
  Int8Tensor weight{40, 64, codes.data(), std::vector<float>(40)};
  kernels::quantize_rows_int8(w.data(), 40, 64, 0, codes.data(), weight.absmax.data());
  const auto parts = int8_parts(weight, "layer.weight");
  CHECK((bytes_of_stored(parts.at("layer.weight")) == bytes_of_stored(file.at("CB"))));
  CHECK((bytes_of_stored(parts.at("layer.SCB")) == bytes_of_stored(file.at("SCB"))));
  CHECK(parts.at("layer.weight").shape == file.at("CB").shape);
  CHECK(parts.at("layer.SCB").shape == file.at("SCB").shape);
}

TEST_CASE("a stored weight stands for bitsandbytes' values, and comes to its file again",
          "[int8_tensor][shared]") {
  const auto path = shared_path("fixtures/bnb/int8.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  const uint8_t rows = 0;
  const Scratch scratch;
  write_safetensors(scratch.path("theirs"), {{"weight", file.at("CB")},
                                             {"SCB", file.at("SCB")},
                                             {"weight_format", {"U8", {}, &rows, 1}}});
  const SafetensorsFile theirs(scratch.path("theirs"));
  const Int8Tensor read = read_int8(theirs.path(), theirs.tensors(), "weight", 40, 64);
  write_safetensors(scratch.path("ours"), int8_parts(read, "weight"));
  CHECK((file_bytes(scratch.path("ours")) == file_bytes(scratch.path("theirs"))));
  std::vector<float> values(40 * 64);
  for (int64_t row = 0; row < 40; ++row) {
    kernels::dequantize_row_int8(read.codes + row * 64, read.absmax[static_cast<size_t>(row)], 64,
                                 values.data() + row * 64);
  }
  CHECK(largest_difference(values, array_of<float>(file.at("W_dequant"))) < 2e-7f);
}

}  // namespace lethe
