// The kernels on a GPU beside limits of the same run: passes over memory beside a copy of a buffer
// there, products with weights in few bits beside libtorch's of float32.
//   device_bench [DEVICE] [VALUES] [RUNS]     cuda, 67108864 values, 20 runs
// Prints a Markdown table: milliseconds are medians, with the lowest and the highest.
#include "core/torch.h"
// After libtorch.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "core/base_weight.h"
#include "core/device_kernels.h"
#include "core/error.h"
#include "core/kernels/byte_map.h"
#include "core/memory.h"
#include "core/seeds.h"
#include "core/update.h"

namespace {

using namespace lethe;

struct Times {
  double median = 0, least = 0, most = 0;
};

/// Milliseconds of `work`, done once before.
Times time_of(const at::Device& device, int64_t runs, const std::function<void()>& work) {
  std::vector<double> times;
  for (int64_t run = -1; run < runs; ++run) {
    wait_for(device);
    const auto from = std::chrono::steady_clock::now();
    work();
    wait_for(device);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - from;
    if (run >= 0) times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), times.back()};
}

class Bench {
 public:
  Bench(const at::Device& device, int64_t values, int64_t runs)
      : device_(device), n_(values), runs_(runs) {}

  void passes() {
    std::printf(
        "| pass over %lld values | bytes a value | ms (least-most) | GB/s | of the copy |\n",
        static_cast<long long>(n_));
    std::printf("|---|--:|--:|--:|--:|\n");
    const Tensor from = drawn({n_}), to = at::empty_like(from);
    pass("copy", 8, [&] { to.copy_(from); });
    updates();
    codes(from, to);
  }

  void products() {
    std::printf("\n| product, 4096 x 4096, 1,024 rows | ms (least-most) | times float32 |\n");
    std::printf("|---|--:|--:|\n");
    const Tensor weight = drawn({4096, 4096}), x = drawn({1024, 4096});
    product("float32, libtorch's", [&] { at::linear(x, weight); });
    for (const std::string format : {"bf16", "nf4", "nf4-dq", "fp4", "int8"}) {
      const auto base = make_base(format, weight);
      base->parameters("", [&](const std::string&, Tensor& value) {
        if (value.device() != device_) value.set_data(value.to(device_));
      });
      product(format + ", forward", [&] { base->apply(x, {}); });
      product(format + ", backward", [&] { base->multiply_back(x); });
    }
  }

 private:
  Tensor drawn(at::IntArrayRef shape) const {
    return at::empty(shape, at::TensorOptions(at::kFloat).device(device_))
        .normal_(0, 1, make_generator(1, device_));
  }

  void pass(const char* name, double bytes, const std::function<void()>& work) {
    const Times times = time_of(device_, runs_, work);
    const double speed = bytes * static_cast<double>(n_) / times.median / 1e6;
    if (copy_ == 0) copy_ = speed;
    std::printf("| %s | %.1f | %.3f (%.3f-%.3f) | %.0f | %.2f |\n", name, bytes, times.median,
                times.least, times.most, speed, speed / copy_);
  }

  void product(const std::string& name, const std::function<void()>& work) {
    const Times times = time_of(device_, runs_, work);
    if (dense_ == 0) dense_ = times.median;
    std::printf("| %s | %.3f (%.3f-%.3f) | %.2f |\n", name.c_str(), times.median, times.least,
                times.most, times.median / dense_);
  }

  void updates() {
    const Tensor value = drawn({n_}), gradient = drawn({n_}), first = drawn({n_}),
                 second = drawn({n_}).abs_(), importance = drawn({n_}).abs_(), anchor = drawn({n_}),
                 path = drawn({n_});
    kernels::Update step;
    step.n = n_;
    step.value = value.data_ptr<float>();
    step.gradient = gradient.data_ptr<float>();
    step.first = first.data_ptr<float>();
    step.second = second.data_ptr<float>();
    step.learning_rate = 1e-4;
    step.step = 3;
    step.summed = false;
    pass("AdamW, gradient zeroed", 32, [&] { update_on(device_, step); });
    step.terms = 1;
    step.term[0] = {1e-3, importance.data_ptr<float>(), anchor.data_ptr<float>()};
    pass("AdamW + EWC", 40, [&] { update_on(device_, step); });
    step.summed = true;
    pass("AdamW + EWC, penalty summed", 40, [&] { update_on(device_, step); });
    step.summed = false;
    step.paths = 1;
    step.path[0].path = path.data_ptr<float>();
    pass("AdamW + SI (term and path)", 48, [&] { update_on(device_, step); });
    pass("squared norm with a term", 16, [&] { squared_norm_on(device_, step); });
  }

  void codes(const Tensor& from, const Tensor& to) {
    const auto options = from.options();
    const Tensor packed = at::empty({n_}, options.dtype(at::kByte)),
                 absmax = at::empty({n_ / 64}, options);
    auto* bytes = packed.data_ptr<uint8_t>();
    auto* scales = absmax.data_ptr<float>();
    const auto* in = from.const_data_ptr<float>();
    auto* out = to.data_ptr<float>();
    const auto nf4 = kernels::FourBit::nf4;
    pass("NF4 quantised", 4.5 + 1.0 / 16,
         [&] { quantize_4bit_on(device_, nf4, in, n_, 64, bytes, scales); });
    pass("NF4 dequantised", 4.5 + 1.0 / 16,
         [&] { dequantize_4bit_on(device_, nf4, bytes, scales, n_, 64, out); });
    const kernels::ByteMap& map = kernels::signed_dynamic_map();
    pass("8 bits quantised", 5 + 1.0 / 64,
         [&] { quantize_8bit_on(device_, map, in, n_, 256, bytes, scales); });
    pass("8 bits dequantised", 5 + 1.0 / 64,
         [&] { dequantize_8bit_on(device_, map, bytes, scales, n_, 256, out); });
  }

  at::Device device_;
  int64_t n_, runs_;
  double copy_ = 0, dense_ = 0;  // of the first of each kind
};

}  // namespace

int main(int argc, char** argv) {
  install_memory_meter();
  at::set_num_threads(1);
  try {
    const at::Device device = open_device(argc > 1 ? argv[1] : "cuda");
    const int64_t values = argc > 2 ? std::atoll(argv[2]) : int64_t{64} << 20;
    Bench bench(device, values, std::max<int64_t>(1, argc > 3 ? std::atoll(argv[3]) : 20));
    std::printf("%s\n\n", device_class(device).c_str());
    bench.passes();
    bench.products();
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return 0;
}
