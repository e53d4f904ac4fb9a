// Encoding a text with byte-level BPE, in bytes of text a second. One thread. `--tokenizer DIR
// --text FILE` measure a tokenizer on a text; without them, one of 1,000 tokens on 40,000 made-up
// words.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "core/formats/file_bytes.h"
#include "core/random.h"
#include "core/text/load_tokenizer.h"
#include "core/text/train_bpe.h"

namespace lethe {
namespace {

std::string folder, text;

/// Words of one to four syllables, the first of them far more often than the last.
std::string made_up_text() {
  Random random(1);
  std::string words;
  for (int w = 0; w < 40'000; ++w) {
    const int64_t rank = random.below(1 + random.below(3000));
    for (int64_t left = rank; left >= 0; left = left / 8 - 1) {
      words += "bdfgklmnprstv"[(left * 7 + rank) % 13];
      words += "aeiou"[(left + rank) % 5];
    }
    words += w % 12 == 11 ? ".\n" : " ";
  }
  return words;
}

/// A tokenizer trained on `text`, in a folder that stays.
std::string made_up_folder() {
  BpeTrainer trainer({"<|endoftext|>"});
  trainer.add_text("text", text);
  const auto path = std::filesystem::temp_directory_path() / "lethe_tokenizer_bench";
  write_tokenizer(trainer.train(1000), path.string());
  return path.string();
}

// The cache of words is warm from the second round on.
void BM_Encode(benchmark::State& state) {
  const auto tokenizer = load_tokenizer(folder);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

// By a tokenizer that has seen nothing yet; loading it is left out.
void BM_EncodeFirst(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto tokenizer = load_tokenizer(folder);
    state.ResumeTiming();
    benchmark::DoNotOptimize(tokenizer->encode(text));
    state.PauseTiming();
    tokenizer.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void BM_Decode(benchmark::State& state) {
  const auto tokenizer = load_tokenizer(folder);
  const auto ids = tokenizer->encode(text);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->decode(ids));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

BENCHMARK(BM_Encode)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_EncodeFirst)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(BM_Decode)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lethe

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--tokenizer") == 0) lethe::folder = argv[i + 1];
    if (std::strcmp(argv[i], "--text") == 0) lethe::text = lethe::file_bytes(argv[i + 1]);
  }
  if (lethe::text.empty()) lethe::text = lethe::made_up_text();
  if (lethe::folder.empty()) lethe::folder = lethe::made_up_folder();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
