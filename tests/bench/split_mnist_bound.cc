// What the steps of the Split MNIST perceptron cost at least on one thread: the GEMMs of a
// 784-400-400-10 step of 128 rows, and copying the bytes that its Adam update must read and write.
//   split_mnist_bound [STEPS]    prints {"gemm_s": ..., "copy_s": ...} for that many steps (10,000)
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/torch.h"
// After libtorch.
#include <cstdio>

namespace {

using at::Tensor;

constexpr int64_t kRows = 128;
constexpr int64_t kParameters = 478410;

/// Output, weight and input gradients of one Linear layer.
struct Layer {
  Layer(int64_t in, int64_t out, bool first)
      : x(at::randn({kRows, in})),
        w(at::randn({out, in})),
        y(at::empty({kRows, out})),
        dy(at::randn({kRows, out})),
        dw(at::empty({out, in})),
        dx(at::empty({kRows, in})),
        first(first) {}

  void products() {
    at::mm_out(y, x, w.t());
    at::mm_out(dw, dy.t(), x);
    if (!first) at::mm_out(dx, dy, w);
  }

  Tensor x, w, y, dy, dw, dx;
  bool first;
};

template <class Work>
double seconds(int64_t steps, const Work& work) {
  for (int i = 0; i < 20; ++i) work();
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < steps; ++i) work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t steps = argc > 1 ? std::atoll(argv[1]) : 10000;
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  std::vector<Layer> layers;
  layers.emplace_back(784, 400, true);
  layers.emplace_back(400, 400, false);
  layers.emplace_back(400, 10, false);
  const double gemm = seconds(steps, [&] {
    for (Layer& layer : layers) layer.products();
  });
  // Read: value, gradient, two moments. Written: value, two moments, the zeroed gradient. A copy
  // reads and writes every byte once, so four arrays of n floats move as much.
  std::vector<float> from(4 * kParameters, 1), to(4 * kParameters);
  const double copy = seconds(steps, [&] {
    std::memcpy(to.data(), from.data(), from.size() * sizeof(float));
    asm volatile("" : : "r"(to.data()) : "memory");
  });
  std::printf("{\"steps\": %lld, \"gemm_s\": %.4f, \"copy_s\": %.4f}\n",
              static_cast<long long>(steps), gemm, copy);
  return 0;
}
