// The build adds -O3 -fno-math-errno -ffp-contract=off.
#include "core/kernels/adam8.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/kernels/adam8_isa.h"
#include "core/kernels/blockwise8.h"
#include "core/kernels/isa.h"

namespace lethe::kernels {
namespace {

void check(const Adam8Step& step) {
  if (step.step < 1) fail("an 8-bit Adam update at step {}; steps count from 1", step.step);
  if (step.n < 0) fail("an 8-bit Adam update of {} elements; expected >= 0", step.n);
  const bool whole = step.value != nullptr && step.gradient != nullptr && step.first != nullptr &&
                     step.second != nullptr && step.first_absmax != nullptr &&
                     step.second_absmax != nullptr;
  if (step.n > 0 && !whole) {
    fail("an 8-bit Adam update without values, gradient or moments; lay out all six arrays first");
  }
}

}  // namespace

Adam8Constants constants_of(const Adam8Step& step) {
  const auto steps = static_cast<double>(step.step);
  const double correction1 = 1 - std::pow(step.beta1, steps);
  const double correction2 = std::sqrt(1 - std::pow(step.beta2, steps));
  const auto rounded = [](double value) { return static_cast<float>(value); };
  return {.scale = rounded(step.gradient_scale),
          .beta1 = rounded(step.beta1),
          .first_share = rounded(1 - step.beta1),
          .beta2 = rounded(step.beta2),
          .second_share = rounded(1 - step.beta2),
          .shrink = rounded(1 - step.learning_rate * step.weight_decay),
          .rate = rounded(step.learning_rate * correction2 / correction1),
          .epsilon = rounded(step.epsilon * correction2)};
}

void clear_moments(const Adam8Step& state) {
  const int64_t blocks = (state.n + kAdam8Block - 1) / kAdam8Block;
  std::fill_n(state.first, state.n, signed_dynamic_map().code_of(0));
  std::fill_n(state.second, state.n, unsigned_dynamic_map().code_of(0));
  std::fill_n(state.first_absmax, blocks, 0.0f);
  std::fill_n(state.second_absmax, blocks, 0.0f);
}

void adamw8_step(const Adam8Step& step) {
  check(step);
  const auto run = use_avx512() ? adamw8_avx512 : adamw8_avx2;
  run(step, constants_of(step));
}

void adamw8_reference(const Adam8Step& step) {
  check(step);
  const Adam8Constants c = constants_of(step);
  const ByteMap &first_map = signed_dynamic_map(), &second_map = unsigned_dynamic_map();
  for (int64_t start = 0; start < step.n; start += kAdam8Block) {
    const int64_t n = std::min(kAdam8Block, step.n - start), block = start / kAdam8Block;
    float first[kAdam8Block], second[kAdam8Block];
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = start + i;
      const float g = c.scale * step.gradient[at];
      first[i] =
          first_map.value(step.first[at]) * step.first_absmax[block] * c.beta1 + c.first_share * g;
      second[i] = second_map.value(step.second[at]) * step.second_absmax[block] * c.beta2 +
                  c.second_share * g * g;
      step.value[at] =
          step.value[at] * c.shrink - c.rate * (first[i] / (std::sqrt(second[i]) + c.epsilon));
      if (step.zero_gradient) step.gradient[at] = 0;
    }
    quantize_8bit_reference(first_map, first, n, kAdam8Block, step.first + start,
                            step.first_absmax + block);
    quantize_8bit_reference(second_map, second, n, kAdam8Block, step.second + start,
                            step.second_absmax + block);
  }
}

}  // namespace lethe::kernels
