// The update of one training step, in elements (N); 478,410 are the parameters of a 784-400-400-10
// MLP. What it can cost at least is moving its arrays: compare bytes_per_second with a copy of
// equally many bytes (read + written) in the same run. One thread.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/update_isa.h"

namespace lethe::kernels {
namespace {

using Step = double (*)(const Update&);

struct Arrays {
  explicit Arrays(int64_t n)
      : n(n),
        value(n, 0.5f),
        gradient(n, 0.01f),
        first(n, 0.1f),
        second(n, 0.2f),
        importance(n, 0.3f),
        anchor(n, 0.4f),
        path(n, 0) {}
  int64_t n;
  std::vector<float> value, gradient, first, second, importance, anchor, path;

  Update step(Optimizer optimizer, int terms, int paths) {
    Update step;
    step.optimizer = optimizer;
    step.n = n;
    step.value = value.data();
    step.gradient = gradient.data();
    step.first = first.data();
    step.second = second.data();
    step.learning_rate = 1e-9;
    step.step = 100;
    step.zero_gradient = false;
    step.terms = terms;
    for (int t = 0; t < terms; ++t) step.term[t] = {0.5, importance.data(), anchor.data()};
    step.paths = paths;
    if (paths > 0) step.path[0] = {path.data(), false};
    return step;
  }
};

void run(benchmark::State& state, Step update, Optimizer optimizer, int terms, int paths,
         int arrays_moved, bool summed = true) {
  Arrays arrays(state.range(0));
  Update step = arrays.step(optimizer, terms, paths);
  step.summed = summed;
  for (auto _ : state) benchmark::DoNotOptimize(update(step));
  state.SetItemsProcessed(state.iterations() * arrays.n);
  state.SetBytesProcessed(state.iterations() * arrays.n * arrays_moved * 4);
}

// What each update reads and writes, in arrays: value, gradient and two moments, of which the
// gradient stays; then importance and anchor; then the path, which is written too.
constexpr int kPlain = 7, kEwc = 9, kSi = 11;

void BM_Copy(benchmark::State& state, int arrays_moved) {
  const size_t bytes =
      static_cast<size_t>(state.range(0) * arrays_moved) * 2;  // read; as many written
  std::vector<char> from(bytes, 1), to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes) * 2);
}

void BM_AdamW(benchmark::State& state, Step step) {
  run(state, step, Optimizer::adamw, 0, 0, kPlain);
}
void BM_Sgd(benchmark::State& state, Step step) { run(state, step, Optimizer::sgd, 0, 0, 3); }
void BM_Ewc(benchmark::State& state, Step step) { run(state, step, Optimizer::adamw, 1, 0, kEwc); }
void BM_Si(benchmark::State& state, Step step) { run(state, step, Optimizer::adamw, 1, 1, kSi); }
/// A step between two points of the loss curve: nobody asks for the penalty.
void BM_EwcUnsummed(benchmark::State& state, Step step) {
  run(state, step, Optimizer::adamw, 1, 0, kEwc, false);
}
void BM_SiUnsummed(benchmark::State& state, Step step) {
  run(state, step, Optimizer::adamw, 1, 1, kSi, false);
}
void BM_Norm(benchmark::State& state, Step step) { run(state, step, Optimizer::adamw, 1, 0, 4); }

constexpr int64_t kMlp = 478410;

void add_all(const char* isa, Step step, Step norm) {
  const auto add = [&](const char* name, auto* body, Step what) {
    benchmark::RegisterBenchmark((std::string(name) + "/" + isa).c_str(), body, what)
        ->Arg(kMlp)
        ->Unit(benchmark::kMicrosecond);
  };
  add("AdamW", BM_AdamW, step);
  add("Sgd", BM_Sgd, step);
  add("AdamW+ewc", BM_Ewc, step);
  add("AdamW+si", BM_Si, step);
  add("AdamW+ewc without sum", BM_EwcUnsummed, step);
  add("AdamW+si without sum", BM_SiUnsummed, step);
  add("SquaredNorm+ewc", BM_Norm, norm);
}

}  // namespace
}  // namespace lethe::kernels

int main(int argc, char** argv) {
  using namespace lethe::kernels;
  benchmark::Initialize(&argc, argv);
  const std::pair<const char*, int> copies[] = {
      {"Copy/AdamW", kPlain}, {"Copy/AdamW+ewc", kEwc}, {"Copy/AdamW+si", kSi}};
  for (const auto& [name, arrays] : copies) {
    benchmark::RegisterBenchmark(name, BM_Copy, arrays)->Arg(kMlp)->Unit(benchmark::kMicrosecond);
  }
  add_all("avx2", update_avx2, squared_norm_avx2);
  if (has_avx512()) add_all("avx512", update_avx512, squared_norm_avx512);
  benchmark::RunSpecifiedBenchmarks();
}
