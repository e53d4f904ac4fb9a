// The build adds -O3 -fno-math-errno -ffp-contract=off: the arithmetic becomes vectors.
#include "core/kernels/adam8.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/kernels/byte_map.h"
#include "core/kernels/fourbit_isa.h"

namespace lethe::kernels {
namespace {

/// What is the same for all elements, computed in double and rounded once.
struct Adam8Constants {
  float scale, beta1, first_share, beta2, second_share, shrink, rate, epsilon;
};

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

void recall(const ByteMap& map, const uint8_t* codes, float absmax, int64_t n, float* out) {
  const float* values = map.values();
  for (int64_t i = 0; i < n; ++i) out[i] = values[codes[i]] * absmax;
}

void move(const Adam8Constants& c, const float* __restrict gradient, int64_t n,
          float* __restrict value, float* __restrict first, float* __restrict second) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = c.scale * gradient[i];
    first[i] = first[i] * c.beta1 + c.first_share * g;
    second[i] = second[i] * c.beta2 + c.second_share * g * g;
    const float shrunk = value[i] * c.shrink;
    value[i] = shrunk - c.rate * (first[i] / (std::sqrt(second[i]) + c.epsilon));
  }
}

/// Largest |x|, by the bits: those of non-negative floats are in the floats' order.
float block_absmax(const float* x, int64_t n) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    most = std::max(most, bits & 0x7fffffff);
  }
  float value;
  std::memcpy(&value, &most, sizeof value);
  return value;
}

float keep(const ByteMap& map, const float* x, int64_t n, uint8_t* codes) {
  const float most = block_absmax(x, n);
  const float reciprocal = finite_reciprocal(most);
  for (int64_t i = 0; i < n; ++i) codes[i] = map.code_of(x[i] * reciprocal);
  return most;
}

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

void clear_moments(const Adam8Step& state) {
  const int64_t blocks = (state.n + kAdam8Block - 1) / kAdam8Block;
  std::fill_n(state.first, state.n, signed_dynamic_map().code_of(0));
  std::fill_n(state.second, state.n, unsigned_dynamic_map().code_of(0));
  std::fill_n(state.first_absmax, blocks, 0.0f);
  std::fill_n(state.second_absmax, blocks, 0.0f);
}

void adamw8_step(const Adam8Step& step) {
  check(step);
  const ByteMap &first_map = signed_dynamic_map(), &second_map = unsigned_dynamic_map();
  const Adam8Constants constants = constants_of(step);
  alignas(64) float first[kAdam8Block], second[kAdam8Block];
  for (int64_t start = 0; start < step.n; start += kAdam8Block) {
    const int64_t n = std::min(kAdam8Block, step.n - start), block = start / kAdam8Block;
    recall(first_map, step.first + start, step.first_absmax[block], n, first);
    recall(second_map, step.second + start, step.second_absmax[block], n, second);
    move(constants, step.gradient + start, n, step.value + start, first, second);
    step.first_absmax[block] = keep(first_map, first, n, step.first + start);
    step.second_absmax[block] = keep(second_map, second, n, step.second + start);
    if (step.zero_gradient) {
      std::memset(step.gradient + start, 0, static_cast<size_t>(n) * sizeof(float));
    }
  }
}

}  // namespace lethe::kernels
