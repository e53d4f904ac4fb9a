#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/kernels/fourbit.h"
#include "core/kernels/nf4.h"
#include "tests/shared.h"

namespace lethe::kernels {
namespace {

std::string bytes_of(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), tensor.bytes};
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::vector<float> floats_of(const StoredTensor& tensor) {
  std::vector<float> values(tensor.bytes / sizeof(float));
  std::memcpy(values.data(), tensor.data, tensor.bytes);
  return values;
}

struct Result {
  std::string packed, absmax, values;
};

Result quantized_in_blocks(const std::vector<float>& x, int64_t block) {
  const auto n = static_cast<int64_t>(x.size());
  std::string packed((x.size() + 1) / 2, '\0');
  auto* codes = reinterpret_cast<uint8_t*>(packed.data());
  std::vector<float> absmax(static_cast<size_t>((n + block - 1) / block)), values(x.size());
  quantize_4bit(FourBit::nf4, x.data(), n, block, codes, absmax.data());
  dequantize_4bit(FourBit::nf4, codes, absmax.data(), n, block, values.data());
  return {packed, bytes_of(absmax), bytes_of(values)};
}

}  // namespace

TEST_CASE("nf4 equals bitsandbytes byte for byte", "[nf4][shared]") {
  const auto path = shared_path("fixtures/bnb/fourbit.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  CHECK(bytes_of(file.at("nf4.code")) ==
        std::string(reinterpret_cast<const char*>(kNf4Values), sizeof kNf4Values));
  for (const std::string n : {"64", "4096", "4113"}) {
    for (const int64_t block : {64, 128}) {
      const std::string name = "nf4.n" + n + ".bs" + std::to_string(block);
      CAPTURE(name);
      const Result ours = quantized_in_blocks(floats_of(file.at("x_" + n)), block);
      CHECK(ours.packed == bytes_of(file.at(name + ".packed")));
      CHECK(ours.absmax == bytes_of(file.at(name + ".absmax")));
      CHECK(ours.values == bytes_of(file.at(name + ".dequant")));
    }
  }
}

TEST_CASE("an nf4 weight matrix equals bitsandbytes", "[nf4][shared]") {
  const auto path = shared_path("fixtures/bnb/fourbit.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  CHECK(quantized_in_blocks(floats_of(file.at("W_96x64")), 64).packed ==
        bytes_of(file.at("W.nf4.packed")));
}

}  // namespace lethe::kernels
