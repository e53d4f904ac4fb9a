// Quantised kernels, one thread, on normal values. Sizes are values (N) of the float32 side: 65,536
// stay in the second-level cache, 16,777,216 are a 4096 x 4096 weight. Products have 128 tokens and
// such a weight; the float32 product runs in the same loops, so that what dequantising costs stands
// beside it. Two bounds of the machine: copying, and multiplying and adding in registers.
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <cstring>
#include <vector>

#include "core/kernels/adam8.h"
#include "core/kernels/blockwise8.h"
#include "core/kernels/nf4.h"
#include "core/kernels/tile_product.h"
#include "core/random.h"

namespace lethe::kernels {
namespace {

constexpr int64_t kSide = 4096, kTokens = 128;

/// Normal values, 65,536 of them over and over.
std::vector<float> normals(int64_t n, uint64_t seed = 1) {
  constexpr int64_t kPeriod = 1 << 16;
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n && i < kPeriod; ++i) {
    values[static_cast<size_t>(i)] = static_cast<float>(random.normal());
  }
  for (int64_t i = kPeriod; i < n; ++i) {
    values[static_cast<size_t>(i)] = values[static_cast<size_t>(i - kPeriod)];
  }
  return values;
}

struct Weight {
  explicit Weight(int64_t n, FourBit format = FourBit::nf4)
      : values(normals(n)),
        packed(static_cast<size_t>((n + 1) / 2)),
        absmax(static_cast<size_t>((n + 63) / 64)) {
    quantize_4bit(format, values.data(), n, 64, packed.data(), absmax.data());
  }
  std::vector<float> values;
  std::vector<uint8_t> packed;
  std::vector<float> absmax;
};

template <FourBit kFormat>
void BM_Quantize(benchmark::State& state) {
  Weight w(state.range(0), kFormat);
  for (auto _ : state) {
    quantize_4bit(kFormat, w.values.data(), state.range(0), 64, w.packed.data(), w.absmax.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <FourBit kFormat>
void BM_Dequantize(benchmark::State& state) {
  Weight w(state.range(0), kFormat);
  for (auto _ : state) {
    dequantize_4bit(kFormat, w.packed.data(), w.absmax.data(), state.range(0), 64, w.values.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_Quantize8(benchmark::State& state) {
  const auto x = normals(state.range(0));
  std::vector<uint8_t> codes(x.size());
  std::vector<float> absmax(x.size() / 256);
  for (auto _ : state) {
    quantize_8bit(signed_dynamic_map(), x.data(), state.range(0), 256, codes.data(), absmax.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void run_product(benchmark::State& state, const TiledWeight& w, bool back) {
  const auto x = normals(kTokens * kSide, 2);
  std::vector<float> y(x.size()), scratch(static_cast<size_t>(tile_scratch(kTokens, w)));
  for (auto _ : state) {
    if (back) {
      multiply_back(x.data(), kTokens, w, scratch.data(), y.data());
    } else {
      multiply(x.data(), kTokens, w, nullptr, scratch.data(), y.data());
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kTokens * kSide * kSide);
}

void BM_FloatProduct(benchmark::State& state) {
  const auto values = normals(kSide * kSide);
  run_product(state, DenseTiles(values.data(), kSide, kSide), state.range(0) == 1);
}

void BM_Nf4Product(benchmark::State& state) {
  const Weight w(kSide * kSide);
  run_product(state, FourBitTiles(FourBit::nf4, w.packed.data(), w.absmax.data(), kSide, kSide, 64),
              state.range(0) == 1);
}

void BM_NestedNf4Product(benchmark::State& state) {
  const Weight w(kSide * kSide);
  std::vector<uint8_t> codes(w.absmax.size());
  std::vector<float> absmax(w.absmax.size() / kNestedBlock);
  NestedScales nested{&signed_dynamic_map(), codes.data(), absmax.data()};
  nested.offset = quantize_scales(w.absmax.data(), static_cast<int64_t>(w.absmax.size()),
                                  codes.data(), absmax.data());
  run_product(state, FourBitTiles(FourBit::nf4, w.packed.data(), nested, kSide, kSide, 64),
              state.range(0) == 1);
}

/// Quantising the tokens and the outlier columns included.
void BM_Int8Linear(benchmark::State& state) {
  const auto values = normals(kSide * kSide), x = normals(kTokens * kSide, 2);
  std::vector<int8_t> codes(values.size());
  std::vector<float> absmax(kSide), y(x.size());
  quantize_rows_int8(values.data(), kSide, kSide, 0, codes.data(), absmax.data());
  const Int8Matrix w{codes.data(), absmax.data(), kSide, kSide};
  for (auto _ : state) {
    linear_int8(x.data(), kTokens, w, 6, nullptr, y.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kTokens * kSide * kSide);
}

void BM_AdamW8(benchmark::State& state) {
  auto value = normals(state.range(0)), gradient = normals(state.range(0), 2);
  std::vector<uint8_t> first(value.size()), second(value.size());
  std::vector<float> first_absmax(value.size() / kAdam8Block), second_absmax(first_absmax);
  Adam8Step step{.n = state.range(0),
                 .value = value.data(),
                 .gradient = gradient.data(),
                 .first = first.data(),
                 .second = second.data(),
                 .first_absmax = first_absmax.data(),
                 .second_absmax = second_absmax.data(),
                 .learning_rate = 1e-3,
                 .weight_decay = 1e-2,
                 .zero_gradient = false};
  clear_moments(step);
  for (auto _ : state) {
    adamw8_step(step);
    ++step.step;
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// Bytes read and written.
void BM_Copy(benchmark::State& state) {
  const auto from = normals(state.range(0));
  auto to = from;
  const size_t bytes = from.size() * sizeof(float);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(2 * bytes));
}

/// Fused multiply-adds of 8 lanes as fast as the processor takes them; items are single ones.
void BM_FusedMultiplyAdds(benchmark::State& state) {
  constexpr int kChains = 12, kSteps = 1000;
  const __m256 factor = _mm256_set1_ps(0.5F);
  __m256 sums[kChains] = {};
  for (auto _ : state) {
    for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
      for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
    }
    benchmark::DoNotOptimize(sums);
  }
  state.SetItemsProcessed(state.iterations() * kSteps * kChains * 8);
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->Arg(1 << 16)->Arg(1 << 24)->Unit(benchmark::kMicrosecond);
}
/// 0: x W^T; 1: the gradient for x.
void directions(benchmark::internal::Benchmark* bench) {
  bench->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_Copy)->Apply(sizes);
BENCHMARK(BM_FusedMultiplyAdds);
BENCHMARK(BM_Quantize<FourBit::nf4>)->Apply(sizes);
BENCHMARK(BM_Quantize<FourBit::fp4>)->Apply(sizes);
BENCHMARK(BM_Dequantize<FourBit::nf4>)->Apply(sizes);
BENCHMARK(BM_Quantize8)->Apply(sizes);
BENCHMARK(BM_AdamW8)->Apply(sizes);
BENCHMARK(BM_FloatProduct)->Apply(directions);
BENCHMARK(BM_Nf4Product)->Apply(directions);
BENCHMARK(BM_NestedNf4Product)->Apply(directions);
BENCHMARK(BM_Int8Linear)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lethe::kernels

BENCHMARK_MAIN();
