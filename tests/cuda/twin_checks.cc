// Twins that work element by element: 4-bit and 8-bit codes, rows of int8, the 8-bit AdamW step.
#include "tests/cuda/twin_checks.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/kernels/cuda.h"
#include "core/kernels/cuda_quantised.h"
#include "core/kernels/fourbit_isa.h"
#include "tests/cuda/there.h"
#include "tests/fourbit_case.h"

namespace lethe::kernels {
namespace {

size_t blocks_in(int64_t n, int64_t block) { return static_cast<size_t>((n + block - 1) / block); }

/// Normal values with a block of zeros, some of the smallest floats and some thresholds.
std::vector<float> values_for_codes(int64_t n, const float* thresholds, size_t count) {
  std::vector<float> x = normal_values(static_cast<size_t>(n), 51);
  for (size_t i = 0; i < x.size(); ++i) {
    if (i < 64) x[i] = i % 2 == 0 ? 0.0F : -0.0F;
    if (i >= 64 && i < 96) x[i] *= 1e-44F;
    if (i >= 128 && i < 256) x[i] = i == 200 ? 1.0F : thresholds[i % count];
  }
  return x;
}

void check_four_bits(Place& place, FourBit format, int64_t n, int64_t block) {
  CAPTURE(four_bit_name(format), n, block);
  const auto x = values_for_codes(n, four_bit_table(format).threshold, 15);
  const FourBitCase here = four_bit_case(format, x, block);
  const There<float> values(place, x), absmax(place, std::vector<float>(here.absmax.size(), -1));
  const There<float> back(place, std::vector<float>(x.size(), -9));
  const There<uint8_t> packed(place, std::vector<uint8_t>(here.packed.size(), 0xee));
  CHECK(quantize_4bit_cuda(format, values.data(), n, block, packed.data(), absmax.data(),
                           nullptr) == 0);
  CHECK(dequantize_4bit_cuda(format, packed.data(), absmax.data(), n, block, back.data(),
                             nullptr) == 0);
  CHECK(packed.holds(here.packed));
  CHECK(absmax.holds(here.absmax));
  CHECK(back.holds(here.values));
}

void check_8bits(Place& place, const ByteMap& map, int64_t n, int64_t block) {
  CAPTURE(n, block);
  const auto x = values_for_codes(n, map.values(), 256);
  std::vector<uint8_t> codes(x.size());
  std::vector<float> absmax(blocks_in(n, block)), values(x.size());
  quantize_8bit(map, x.data(), n, block, codes.data(), absmax.data());
  dequantize_8bit(map, codes.data(), absmax.data(), n, block, values.data());
  const There<float> from(place, x), scales(place, std::vector<float>(absmax.size(), -1));
  const There<float> back(place, std::vector<float>(x.size(), -9));
  const There<uint8_t> made(place, std::vector<uint8_t>(x.size(), 0xee));
  CHECK(quantize_8bit_cuda(map, from.data(), n, block, made.data(), scales.data(), nullptr) == 0);
  CHECK(dequantize_8bit_cuda(map, made.data(), scales.data(), n, block, back.data(), nullptr) == 0);
  CHECK(made.holds(codes));
  CHECK(scales.holds(absmax));
  CHECK(back.holds(values));
}

void check_scales(Place& place, int64_t n) {
  CAPTURE(n);
  std::vector<float> x = normal_values(static_cast<size_t>(n), 52);
  for (float& value : x) value = std::fabs(value);
  std::vector<uint8_t> codes(x.size());
  std::vector<float> absmax(blocks_in(n, kNestedBlock));
  const float offset = quantize_scales(x.data(), n, codes.data(), absmax.data());
  const There<float> from(place, x), scales(place, std::vector<float>(absmax.size(), -1));
  const There<float> mean(place, {-3});
  const There<uint8_t> made(place, std::vector<uint8_t>(x.size(), 0xee));
  CHECK(quantize_scales_cuda(from.data(), n, made.data(), scales.data(), mean.data(), nullptr) ==
        0);
  CHECK(mean.holds({offset}));
  CHECK(made.holds(codes));
  CHECK(scales.holds(absmax));
  for (const int64_t begin : {int64_t{0}, n / 3}) {
    std::vector<float> values(static_cast<size_t>(n - begin));
    dequantize_scales(signed_dynamic_map(), codes.data(), absmax.data(), offset, begin, n - begin,
                      kNestedBlock, values.data());
    const There<float> back(place, std::vector<float>(values.size(), -9));
    CHECK(dequantize_scales_cuda(signed_dynamic_map(), made.data(), scales.data(), offset, begin,
                                 n - begin, kNestedBlock, back.data(), nullptr) == 0);
    CHECK(back.holds(values));
  }
}

/// Arrays of an 8-bit step, with rests that clear_moments has to remove.
struct Adam8Arrays {
  explicit Adam8Arrays(int64_t n)
      : value(normal_values(static_cast<size_t>(n), 53)),
        gradient(value.size()),
        first_absmax(blocks_in(n, kAdam8Block), 7),
        second_absmax(first_absmax),
        first(value.size(), 9),
        second(value.size(), 9) {}
  std::vector<float> value, gradient, first_absmax, second_absmax;
  std::vector<uint8_t> first, second;
};

struct Adam8There {
  Adam8There(Place& place, const Adam8Arrays& from)
      : value(place, from.value),
        gradient(place, from.gradient),
        first_absmax(place, from.first_absmax),
        second_absmax(place, from.second_absmax),
        first(place, from.first),
        second(place, from.second) {}
  There<float> value, gradient, first_absmax, second_absmax;
  There<uint8_t> first, second;
};

template <class Arrays>
void aim(Adam8Step& step, Arrays& at) {
  step.value = at.value.data();
  step.gradient = at.gradient.data();
  step.first_absmax = at.first_absmax.data();
  step.second_absmax = at.second_absmax.data();
  step.first = at.first.data();
  step.second = at.second.data();
}

bool equal(const Adam8There& there, const Adam8Arrays& here) {
  return there.value.holds(here.value) && there.gradient.holds(here.gradient) &&
         there.first_absmax.holds(here.first_absmax) &&
         there.second_absmax.holds(here.second_absmax) && there.first.holds(here.first) &&
         there.second.holds(here.second);
}

void check_adam8(Place& place, int64_t n) {
  Adam8Arrays here(n);
  Adam8Step step;
  step.n = n;
  step.learning_rate = 0.01;
  step.weight_decay = 0.1;
  Adam8There cleared(place, here);
  aim(step, cleared);
  CHECK(clear_moments_cuda(step, nullptr) == 0);
  aim(step, here);
  clear_moments(step);
  CHECK(equal(cleared, here));
  for (const int64_t number : {1, 2, 3, 1000}) {
    CAPTURE(n, number);
    step.step = number;
    step.gradient_scale = number == 2 ? 0.37 : 1;
    step.zero_gradient = number != 3;
    here.gradient = normal_values(here.value.size(), static_cast<uint64_t>(60 + number));
    if (number == 2) std::fill_n(here.gradient.begin(), here.gradient.size() / 2, 0.0F);
    Adam8There there(place, here);
    aim(step, there);
    CHECK(adamw8_step_cuda(step, nullptr) == 0);
    aim(step, here);
    adamw8_step(step);
    CHECK(equal(there, here));
  }
}

void check_int8_rows(Place& place, int64_t rows, int64_t columns, float threshold) {
  CAPTURE(rows, columns, threshold);
  std::vector<float> x = normal_values(static_cast<size_t>(rows * columns), 54);
  if (rows > 2) std::fill_n(x.begin() + columns, columns, 0.0F);
  std::vector<int8_t> codes(x.size());
  std::vector<float> absmax(static_cast<size_t>(rows));
  std::vector<uint8_t> outlier(static_cast<size_t>(columns), 0);
  for (const int64_t k :
       quantize_rows_int8(x.data(), rows, columns, threshold, codes.data(), absmax.data())) {
    outlier[static_cast<size_t>(k)] = 1;
  }
  const There<float> from(place, x), scales(place, std::vector<float>(absmax.size(), -1));
  const There<int8_t> made(place, std::vector<int8_t>(x.size(), 99));
  const There<uint8_t> marks(place, std::vector<uint8_t>(outlier.size(), threshold > 0 ? 7 : 0));
  CHECK(quantize_rows_int8_cuda(from.data(), rows, columns, threshold, made.data(), scales.data(),
                                threshold > 0 ? marks.data() : nullptr, nullptr) == 0);
  CHECK(made.holds(codes));
  CHECK(scales.holds(absmax));
  CHECK(marks.holds(outlier));
}

}  // namespace

void check_four_bit_twins(Place& place) {
  for (const auto format : {FourBit::nf4, FourBit::fp4}) {
    for (const int64_t n : {1, 2, 31, 64, 65, 4097, 9999}) {
      for (const int64_t block : {32, 64, 128, 4096}) check_four_bits(place, format, n, block);
    }
    if (place.fast()) check_four_bits(place, format, 5'000'001, 64);
  }
  check_four_bits(place, FourBit::nf4, 32 * 4100 + 1, 32);  // more blocks than a grid has
}

void check_8bit_twins(Place& place) {
  for (const ByteMap* map : {&signed_dynamic_map(), &unsigned_dynamic_map()}) {
    for (const int64_t n : {3001, 1, 255, 256, 257}) {
      for (const int64_t block : {7, 64, 256, 1000}) check_8bits(place, *map, n, block);
    }
    check_8bits(place, *map, 257, 1);
    if (place.fast()) check_8bits(place, *map, 2'000'003, 256);
  }
}

void check_scales_twins(Place& place) {
  for (const int64_t n : {5000, 1, 7, 8, 31, 33, 64, 300, 511}) check_scales(place, n);
  if (place.fast()) check_scales(place, 300'007);
}

void check_adam8_twins(Place& place) {
  for (const int64_t n : {1, 255, 256, 257, 3001}) check_adam8(place, n);
  if (place.fast()) check_adam8(place, 2'000'003);
}

void check_int8_rows_twin(Place& place) {
  const int64_t shapes[][2] = {{1, 3}, {1, 700}, {3, 6}, {5, 300}, {70, 33}};
  for (const auto& [rows, columns] : shapes) {
    for (const float threshold : {0.0F, 2.0F, 100.0F}) {
      check_int8_rows(place, rows, columns, threshold);
    }
  }
  if (place.fast()) check_int8_rows(place, 5000, 1030, 4.0F);
}

}  // namespace lethe::kernels
