// bitsandbytes' serialised 4-bit weights: what it wrote is read, and written again byte for byte.
#include <catch2/catch.hpp>
#include <cstring>

#include "core/formats/fourbit_tensor.h"
#include "tests/bnb_case.h"
#include "tests/files.h"
#include "tests/fourbit_case.h"
#include "tests/shared.h"

namespace lethe {
namespace {

using kernels::FourBit;

std::string stored_bytes(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), tensor.bytes};
}

/// How many of the folder's weights are quantised; each must be what quantising the float
/// checkpoint gives, and the whole file what is written from what was read.
int check_model(const std::filesystem::path& folder, const std::filesystem::path& base) {
  const std::string path = (folder / "model_bnb4bit.safetensors").string();
  CAPTURE(path);
  const SafetensorsFile file(path), dense((base / "model.safetensors").string());
  std::vector<FourBitParts> kept;
  StoredTensors written = file.tensors();
  int count = 0;
  for (const auto& [name, tensor] : dense.tensors()) {
    if (!is_four_bit(file.tensors(), name)) continue;
    ++count;
    const FourBitTensor read = read_four_bit(path, file.tensors(), name);
    const auto q = kernels::four_bit_case(read.format, array_of<float>(tensor), read.block);
    CHECK(read.shape == tensor.shape);
    CHECK(std::memcmp(read.packed, q.packed.data(), q.packed.size()) == 0);
    FourBitTensor again = read;
    if (read.nested) {
      again.nested = nested_absmax(q.absmax);
    } else {
      again.absmax = q.absmax;
    }
    again.packed = q.packed.data();
    FourBitParts parts = four_bit_parts(again, name);
    for (const auto& [part, made] : parts.tensors) {
      CAPTURE(part);
      CHECK((stored_bytes(made) == stored_bytes(file.at(part))));
      CHECK(made.shape == file.at(part).shape);
      if (part != name) written[part] = made;
    }
    kept.push_back(std::move(parts));
  }
  const Scratch scratch;
  write_safetensors(scratch.path("again"), written);
  CHECK((file_bytes(scratch.path("again")) == file_bytes(path)));
  return count;
}

}  // namespace

TEST_CASE("a Linear4bit checkpoint is written byte for byte", "[fourbit_tensor][shared]") {
  const auto path = shared_path("fixtures/bnb/linear4bit_checkpoint.safetensors");
  if (!path) return;
  const SafetensorsFile source(shared_path("fixtures/bnb/fourbit.safetensors")->string());
  const auto q = kernels::four_bit_case(FourBit::nf4, array_of<float>(source.at("W_96x64")));
  FourBitTensor weight{.shape = {96, 64}, .packed = q.packed.data()};
  weight.nested = nested_absmax(q.absmax);
  const Scratch scratch;
  write_safetensors(scratch.path("ours"), four_bit_parts(weight, "weight").tensors);
  CHECK((file_bytes(scratch.path("ours")) == file_bytes(path->string())));
}

TEST_CASE("a Linear4bit checkpoint gives bitsandbytes' weight", "[fourbit_tensor][shared]") {
  const auto path = shared_path("fixtures/bnb/linear4bit_checkpoint.safetensors");
  if (!path) return;
  const SafetensorsFile file(path->string());
  const FourBitTensor read = read_four_bit(file.path(), file.tensors(), "weight");
  const auto scales = read.scales();
  std::vector<float> values(96 * 64);
  kernels::dequantize_4bit(read.format, read.packed, scales.data(), 96 * 64, read.block,
                           values.data());
  const SafetensorsFile source(shared_path("fixtures/bnb/fourbit.safetensors")->string());
  CHECK(values == array_of<float>(source.at("W.nf4.dequant")));
}

TEST_CASE("whole quantised models are read and written again", "[fourbit_tensor][shared]") {
  const auto root = shared_path("fixtures/qlora");
  if (!root) return;
  const auto hf = *shared_path("fixtures/hf");
  CHECK(check_model(*root / "llama_nf4", hf / "llama") > 10);
  CHECK(check_model(*root / "llama_fp4", hf / "llama") > 10);
  CHECK(check_model(*root / "llama_nf4_double", hf / "llama") > 10);
  CHECK(check_model(*root / "t5_v1_1_nf4_double", hf / "t5_v1_1") > 10);
}

}  // namespace lethe
