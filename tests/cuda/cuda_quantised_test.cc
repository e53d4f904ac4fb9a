// The CUDA twins of the quantised kernels against the CPU's, bit for bit, on a GPU.
#include "tests/catch.h"
// After Catch.
#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "tests/cuda/cuda_case.h"
#include "tests/cuda/twin_checks.h"

using namespace lethe;

namespace {

class GpuPlace : public kernels::Place {
 public:
  explicit GpuPlace(const at::Device& device) : device_(device) {}

  void* put(const std::vector<char>& bytes) override {
    Tensor here = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
    std::memcpy(here.data_ptr(), bytes.data(), bytes.size());
    arrays_.push_back(here.to(device_));
    return arrays_.back().data_ptr();
  }

  std::vector<char> get(const void* there) const override {
    const auto found = std::find_if(arrays_.begin(), arrays_.end(),
                                    [&](const Tensor& array) { return array.data_ptr() == there; });
    REQUIRE(found != arrays_.end());
    const Tensor here = found->cpu();  // waits for what was queued
    const auto* bytes = static_cast<const char*>(here.data_ptr());
    return {bytes, bytes + here.numel()};
  }

  bool fast() const override { return true; }

 private:
  at::Device device_;
  std::vector<Tensor> arrays_;
};

void on_gpu(void (*check)(kernels::Place&)) {
  const auto device = cuda_device();
  if (!device) return;
  GpuPlace place(*device);
  check(place);
}

}  // namespace

TEST_CASE("4-bit codes and values on the GPU are the CPU's") {
  on_gpu(kernels::check_four_bit_twins);
}

TEST_CASE("8-bit codes and values on the GPU are the CPU's") { on_gpu(kernels::check_8bit_twins); }

TEST_CASE("scales quantised twice on the GPU are the CPU's") {
  on_gpu(kernels::check_scales_twins);
}

TEST_CASE("an 8-bit AdamW step on the GPU gives the CPU's bits") {
  on_gpu(kernels::check_adam8_twins);
}

TEST_CASE("int8 rows and outliers on the GPU are the CPU's") {
  on_gpu(kernels::check_int8_rows_twin);
}

TEST_CASE("the int8 product on the GPU is exact") { on_gpu(kernels::check_int8_product_twin); }

TEST_CASE("LLM.int8() on the GPU gives the CPU's bits") { on_gpu(kernels::check_linear_int8_twin); }

TEST_CASE("products with quantised weights on the GPU give the CPU's bits") {
  on_gpu(kernels::check_tile_product_twins);
}

TEST_CASE("layers and losses on the GPU are the CPU's, and rounding its bits") {
  on_gpu(kernels::check_layer_twins);
  on_gpu(kernels::check_rounding_twin);
}

TEST_CASE("the twins refuse on the GPU what the CPU's functions refuse") {
  on_gpu(kernels::check_twins_refuse);
}
