// The CUDA kernels without a GPU: their source compiled for the CPU, a block's threads played one
// after the other in several orders (tests/cuda/emulated).
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "core/kernels/cuda.h"
#include "tests/cuda/emulated/threads.h"
#include "tests/cuda/twin_checks.h"
#include "tests/update_case.h"

namespace lethe::kernels {
namespace {

class EmulatedPlace : public Place {
 public:
  void* put(const std::vector<char>& bytes) override {
    arrays_.push_back(std::make_unique<Array>(bytes));
    return arrays_.back()->at.get();
  }
  std::vector<char> get(const void* there) const override {
    for (const auto& array : arrays_) {
      if (array->at.get() == there) return {array->at.get(), array->at.get() + array->size};
    }
    throw std::logic_error("no array begins there");
  }
  bool fast() const override { return false; }

 private:
  struct Free {
    void operator()(char* at) const { std::free(at); }
  };
  struct Array {
    explicit Array(const std::vector<char>& bytes)
        : size(bytes.size()),
          at(static_cast<char*>(std::aligned_alloc(256, (size + 255) / 256 * 256))) {
      std::memcpy(at.get(), bytes.data(), size);
    }
    size_t size;
    std::unique_ptr<char, Free> at;
  };
  std::vector<std::unique_ptr<Array>> arrays_;
};

void in_every_order(void (*check)(Place&)) {
  for (const auto order : {emulated::Order::rising, emulated::Order::mixed}) {
    CAPTURE(static_cast<int>(order));
    emulated::order = order;
    EmulatedPlace place;
    check(place);
  }
  emulated::order = emulated::Order::rising;
}

void check_update_twin(int64_t n, Optimizer optimizer, int terms, int paths) {
  CAPTURE(n, static_cast<int>(optimizer), terms, paths);
  Case here(n, 5), there(n, 5);
  const Update step = here.step(optimizer, terms, paths);
  Update other = there.step(optimizer, terms, paths);
  std::vector<double> scratch(static_cast<size_t>(update_cuda_scratch()));
  double norm = -1, penalty = -1;
  CHECK(squared_norm_cuda(other, &norm, scratch.data(), nullptr) == 0);
  CHECK(norm == Approx(squared_norm(step)).epsilon(1e-12));
  CHECK(update_cuda(other, &penalty, scratch.data(), nullptr) == 0);
  CHECK(penalty == Approx(update(step)).epsilon(1e-12));
  CHECK(here.bits() == there.bits());
}

}  // namespace

TEST_CASE("4-bit codes of the CUDA kernels are the CPU's", "[twins]") {
  in_every_order(check_four_bit_twins);
}

TEST_CASE("layers, losses and rounding of the CUDA kernels are the CPU's", "[twins]") {
  in_every_order(check_layer_twins);
  in_every_order(check_rounding_twin);
}

TEST_CASE("8-bit codes of the CUDA kernels are the CPU's", "[twins]") {
  in_every_order(check_8bit_twins);
}

TEST_CASE("scales quantised twice by the CUDA kernels are the CPU's", "[twins]") {
  in_every_order(check_scales_twins);
}

TEST_CASE("8-bit AdamW by the CUDA kernel has the CPU's bits", "[twins]") {
  in_every_order(check_adam8_twins);
}

TEST_CASE("int8 rows and outliers of the CUDA kernels are the CPU's", "[twins]") {
  in_every_order(check_int8_rows_twin);
}

TEST_CASE("the int8 product of the CUDA kernel is exact", "[twins]") {
  in_every_order(check_int8_product_twin);
}

TEST_CASE("LLM.int8() by the CUDA kernels has the CPU's bits", "[twins]") {
  in_every_order(check_linear_int8_twin);
}

TEST_CASE("products with quantised weights by the CUDA kernels have the CPU's bits", "[twins]") {
  in_every_order(check_tile_product_twins);
}

TEST_CASE("the CUDA twins refuse what the CPU's functions refuse", "[twins]") {
  in_every_order(check_twins_refuse);
}

TEST_CASE("the fused update of the CUDA kernels has the CPU's bits", "[twins]") {
  emulated::order = emulated::Order::mixed;
  for (const int64_t n : {1, 257}) {
    for (const auto optimizer : {Optimizer::sgd, Optimizer::adam, Optimizer::adamw}) {
      for (int shape = 0; shape < 9; ++shape) {
        check_update_twin(n, optimizer, shape / 3, shape % 3);
      }
    }
  }
  emulated::order = emulated::Order::rising;
}

}  // namespace lethe::kernels
