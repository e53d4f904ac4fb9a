// The kernels' CUDA twins against the CPU's: per-element results bit for bit, sums up to their
// order.
#include "tests/catch.h"
// After Catch.
#include <algorithm>
#include <cstring>
#include <utility>

#include "core/cuda_device.h"
#include "core/device_kernels.h"
#include "core/kernels/fourbit.h"
#include "core/random.h"
#include "tests/cuda/cuda_case.h"
#include "tests/update_case.h"

using namespace lethe;
using kernels::Case;
using kernels::Floats;
using kernels::Optimizer;

namespace {

/// A case's arrays on the device.
class Mirror {
 public:
  Mirror(Case& host, const at::Device& device) : index_(device.index()) {
    std::vector<Floats*> arrays = {&host.value, &host.gradient, &host.first, &host.second};
    for (int t = 0; t < 2; ++t) {
      for (Floats* array : {&host.importance[t], &host.anchor[t], &host.path[t]}) {
        arrays.push_back(array);
      }
    }
    arrays.push_back(&host.added);
    for (Floats* array : arrays) pairs_.emplace_back(array, at::tensor(*array).to(device));
  }

  double update(kernels::Update step) const { return cuda_update(index_, moved(step)); }
  double squared_norm(kernels::Update step) const { return cuda_squared_norm(index_, moved(step)); }

  /// Writes what the device holds into the case.
  void copy_back() const {
    for (const auto& [array, tensor] : pairs_) {
      const Tensor here = tensor.cpu();
      std::memcpy(array->data(), here.data_ptr<float>(), array->size() * sizeof(float));
    }
  }

 private:
  template <class Pointer>
  void move(Pointer& pointer) const {
    if (pointer == nullptr) return;
    const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) {
      return pair.first->data() == pointer;
    });
    REQUIRE(found != pairs_.end());
    pointer = found->second.template data_ptr<float>();
  }

  kernels::Update moved(kernels::Update step) const {
    for (float** pointer : {&step.value, &step.gradient, &step.first, &step.second}) move(*pointer);
    for (int t = 0; t < step.terms; ++t) {
      move(step.term[t].importance);
      move(step.term[t].anchor);
    }
    for (int p = 0; p < step.paths; ++p) move(step.path[p].path);
    move(step.added);
    return step;
  }

  int64_t index_;
  std::vector<std::pair<Floats*, Tensor>> pairs_;
};

constexpr int64_t kSizes[] = {1, 15, 257, 4096, 100003};

void check_update(int64_t n, Optimizer optimizer, int terms, int paths, int64_t number,
                  const at::Device& device) {
  CAPTURE(n, static_cast<int>(optimizer), terms, paths, number);
  Case here(n, 5), there(n, 5);
  const Mirror mirror(there, device);
  kernels::Update step = here.step(optimizer, terms, paths),
                  other = there.step(optimizer, terms, paths);
  step.step = other.step = number;
  if ((terms + paths) % 2 == 1) {
    step.added = here.added.data();
    other.added = there.added.data();
  }
  const double norm = kernels::squared_norm(step);
  CHECK(mirror.squared_norm(other) == Approx(norm).epsilon(1e-12));
  const double penalty = kernels::update(step);
  CHECK(mirror.update(other) == Approx(penalty).epsilon(1e-12));
  mirror.copy_back();
  CHECK(here.bits() == there.bits());
}

}  // namespace

TEST_CASE("an update on the GPU gives the CPU's bits") {
  const auto device = cuda_device();
  if (!device) return;
  for (const int64_t n : kSizes) {
    for (const auto optimizer : {Optimizer::sgd, Optimizer::adam, Optimizer::adamw}) {
      for (int terms = 0; terms <= 2; ++terms) {
        for (int paths = 0; paths <= 2; ++paths) {
          check_update(n, optimizer, terms, paths, 3, *device);
        }
      }
      check_update(n, optimizer, 1, 1, 1, *device);  // the first step of momentum differs
    }
  }
}

TEST_CASE("sums on the GPU are the same on every run") {
  const auto device = cuda_device();
  if (!device) return;
  Case host(100003, 9);
  const Mirror mirror(host, *device);
  const kernels::Update step = host.step(Optimizer::sgd, 2, 0);
  const double first = mirror.squared_norm(step);
  for (int run = 0; run < 5; ++run) CHECK(mirror.squared_norm(step) == first);
}

TEST_CASE("an update on the GPU without its moments is refused as on the CPU") {
  const auto device = cuda_device();
  if (!device) return;
  Case host(64, 1);
  const Mirror mirror(host, *device);
  kernels::Update step = host.step(Optimizer::adam, 0, 0);
  step.second = nullptr;
  std::string expected;
  try {
    kernels::update(step);
  } catch (const Error& error) {
    expected = error.what();
  }
  REQUIRE_FALSE(expected.empty());
  CHECK_THROWS_WITH(mirror.update(step), expected);
}

TEST_CASE("nf4 on the GPU gives the CPU's codes, scales and values") {
  const auto device = cuda_device();
  if (!device) return;
  Random random(3);
  for (const int64_t block : {32, 64, 128, 4096}) {
    for (const int64_t n : {1, 63, 64, 4097, 100001}) {
      CAPTURE(block, n);
      Tensor dense = at::empty({n}, at::kFloat);
      auto* values = dense.data_ptr<float>();
      for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(random.normal());
      std::fill_n(values, std::min<int64_t>(n, block), 0.0F);  // the first block is all zero
      Tensor codes = at::empty({(n + 1) / 2}, at::kByte);
      Tensor absmax = at::empty({(n + block - 1) / block}, at::kFloat),
             back = at::empty_like(dense);
      kernels::quantize_4bit(kernels::FourBit::nf4, values, n, block, codes.data_ptr<uint8_t>(),
                             absmax.data_ptr<float>());
      kernels::dequantize_4bit(kernels::FourBit::nf4, codes.data_ptr<uint8_t>(),
                               absmax.data_ptr<float>(), n, block, back.data_ptr<float>());
      const Tensor there = dense.to(*device);
      const Tensor codes_there = at::empty_like(codes.to(*device));
      const Tensor absmax_there = at::empty_like(absmax.to(*device)),
                   back_there = at::empty_like(there);
      quantize_4bit_on(*device, kernels::FourBit::nf4, there.data_ptr<float>(), n, block,
                       codes_there.data_ptr<uint8_t>(), absmax_there.data_ptr<float>());
      dequantize_4bit_on(*device, kernels::FourBit::nf4, codes_there.data_ptr<uint8_t>(),
                         absmax_there.data_ptr<float>(), n, block, back_there.data_ptr<float>());
      CHECK(codes.equal(codes_there.cpu()));
      CHECK(absmax.equal(absmax_there.cpu()));
      CHECK(back.equal(back_there.cpu()));
    }
  }
}
