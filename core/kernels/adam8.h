// AdamW with 8-bit moments (Dettmers et al. 2022, arXiv:2110.02861): both moments as bytes with one
// fp32 absmax a block of 256, the first under the signed dynamic map, the second under the unsigned
// one. Free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

constexpr int64_t kAdam8Block = 256;
/// Parameters with fewer elements keep 32-bit moments.
constexpr int64_t kAdam8Least = 4096;

/// One parameter of n elements: value, gradient, first and second hold n, the two absmax
/// ceil(n / 256). No alignment needed, no overlap.
struct Adam8Step {
  int64_t n = 0;
  float* value = nullptr;
  float* gradient = nullptr;  ///< read; set to zero after use when zero_gradient
  uint8_t* first = nullptr;
  uint8_t* second = nullptr;
  float* first_absmax = nullptr;
  float* second_absmax = nullptr;
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  int64_t step = 1;           ///< 1-based, for bias correction
  double gradient_scale = 1;  ///< clipping factor
  bool zero_gradient = true;
};

/// Moments of zero, as before the first step.
void clear_moments(const Adam8Step& state);

/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g g;  theta *= 1 - lr wd, first;
/// theta -= lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon sqrt(1 - beta2^t)), with
/// the moments before they are quantised again. Throws Error for a step below 1 and a null array.
void adamw8_step(const Adam8Step& step);
/// The same in the plainest loop.
void adamw8_reference(const Adam8Step& step);

}  // namespace lethe::kernels
