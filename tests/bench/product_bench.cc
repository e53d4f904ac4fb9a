// The products of a layer, forward and the gradient of its input, by core/matrix_product.h and by
// libtorch, in turns: `product_bench [ROUNDS]` prints a table of pairwise ratios, libtorch's time
// over ours.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "core/matrix_product.h"

namespace {

using namespace lethe;

struct Shape {
  int64_t rows, in, out;
};

double seconds(const std::function<void()>& work, int64_t times) {
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i) work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// "1.25 (1.10 to 1.40)"
std::string ratio(const std::function<void()>& ours, const std::function<void()>& theirs,
                  int64_t rounds, int64_t times) {
  std::vector<double> ratios;
  for (int64_t round = 0; round <= rounds; ++round) {
    const bool first = round % 2 == 0;
    const double one = seconds(first ? ours : theirs, times);
    const double other = seconds(first ? theirs : ours, times);
    if (round > 0) ratios.push_back(first ? other / one : one / other);
  }
  std::sort(ratios.begin(), ratios.end());
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", ratios[ratios.size() / 2], ratios.front(),
                     ratios.back());
}

void print(const Shape& shape, int64_t rounds) {
  const Tensor x = at::randn({shape.rows, shape.in}), w = at::randn({shape.out, shape.in});
  const Tensor g = at::randn({shape.rows, shape.out});
  const int64_t times = std::max<int64_t>(1, 100'000'000 / (shape.rows * shape.in * shape.out));
  fmt::print("| {} x {} x {} | {} | {} |\n", shape.rows, shape.in, shape.out,
             ratio([&] { product(x, w.t()); }, [&] { at::mm(x, w.t()); }, rounds, times),
             ratio([&] { product(g, w); }, [&] { at::mm(g, w); }, rounds, times));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rounds = std::max<int64_t>(1, argc > 1 ? std::atoll(argv[1]) : 15);
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  fmt::print("| rows x in x out | forward | gradient of the input |\n|---|---|---|\n");
  for (const Shape& shape :
       {Shape{2048, 128, 128}, Shape{2048, 128, 384}, Shape{2048, 128, 512}, Shape{2048, 512, 128},
        Shape{2048, 128, 344}, Shape{2048, 64, 64}, Shape{2048, 64, 172}, Shape{2048, 128, 8},
        Shape{2048, 8, 128}, Shape{128, 784, 400}, Shape{128, 400, 400}, Shape{128, 400, 10},
        Shape{512, 1024, 1024}}) {
    print(shape, rounds);
  }
  return 0;
}
