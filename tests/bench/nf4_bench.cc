// NF4 in values (N): 65,536 stay in the second-level cache, 4,194,304 are a 2048 x 2048 weight. One
// thread.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "core/kernels/nf4.h"

namespace lethe::kernels {
namespace {

struct Weight {
  explicit Weight(int64_t n)
      : values(static_cast<size_t>(n)),
        packed(static_cast<size_t>((n + 1) / 2)),
        absmax(static_cast<size_t>((n + 63) / 64)) {
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
    }
    quantize_nf4(values.data(), n, 64, packed.data(), absmax.data());
  }
  std::vector<float> values;
  std::vector<uint8_t> packed;
  std::vector<float> absmax;
};

void BM_Quantize(benchmark::State& state) {
  Weight w(state.range(0));
  for (auto _ : state) {
    quantize_nf4(w.values.data(), state.range(0), 64, w.packed.data(), w.absmax.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_Dequantize(benchmark::State& state) {
  Weight w(state.range(0));
  for (auto _ : state) {
    dequantize_nf4(w.packed.data(), w.absmax.data(), state.range(0), 64, w.values.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(BM_Quantize)->Arg(1 << 16)->Arg(1 << 22)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Dequantize)->Arg(1 << 16)->Arg(1 << 22)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace lethe::kernels

BENCHMARK_MAIN();
