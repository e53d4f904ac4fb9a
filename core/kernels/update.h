// The fused update: one pass over the arena does the task gradient, quadratic terms, clipping, the
// optimizer, the displacement and SI's path integrals. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

enum class Optimizer : uint8_t { sgd, adam, adamw };

/// strength * sum_i importance_i (theta_i - anchor_i)^2; a null importance counts as 1.
struct QuadraticTerm {
  double strength = 0;
  const float* importance = nullptr;
  const float* anchor = nullptr;
};

/// path_i -= g_i * (theta_i(after) - theta_i(before)); g is the gradient as given (task loss plus
/// extra losses, unscaled by clipping), or with `total` that plus the penalties' gradients.
struct PathIntegral {
  float* path = nullptr;
  bool total = false;
};

constexpr int kMaxTerms = 4;

/// All arrays hold n floats, need no alignment and must not overlap.
struct Update {
  Optimizer optimizer = Optimizer::adamw;
  int64_t n = 0;
  float* value = nullptr;
  float* gradient = nullptr;  ///< read; set to zero after use when zero_gradient
  float* first = nullptr;     ///< first moment, or SGD's momentum buffer; may be null for plain SGD
  float* second = nullptr;    ///< second moment; null for SGD
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0,
         momentum = 0;
  int64_t step = 1;           ///< 1-based, for bias correction
  double gradient_scale = 1;  ///< clipping factor, applied to gradient + penalties' gradients
  bool zero_gradient = true;
  int terms = 0;
  QuadraticTerm term[kMaxTerms];
  bool summed = true;  ///< whether the penalty is wanted, whose sum takes as long as its gradient
  const float* added = nullptr;  ///< gradient of a further penalty, counted with the quadratic ones
  int paths = 0;
  PathIntegral path[kMaxTerms];
};

/// Does the step; returns the penalty sum_terms strength * sum importance (theta - anchor)^2 at the
/// values before it, 0 without terms and where it is not wanted. Adam and AdamW as in Kingma & Ba
/// 2015 (arXiv:1412.6980) and Loshchilov & Hutter 2019 (arXiv:1711.05101), epsilon outside the
/// bias-corrected root, as PyTorch:
///   sgd and adam: g += wd * theta;  adamw: theta *= 1 - lr * wd, first;
///   sgd with momentum: buffer = g at step 1, then momentum * buffer + g;  theta -= lr * buffer;
///   adam: m += (1 - beta1) (g - m);  v = beta2 v + ((1 - beta2) g) g;
///   theta -= (lr / (1 - beta1^step) m) / (sqrt(v) / sqrt(1 - beta2^step) + epsilon).
/// Throws Error for missing moments, a step below 1 and too many terms or paths.
/// The widest instructions that the processor has are chosen once; all paths give equal bits
/// (products and sums are rounded separately, reductions run over 16 fixed lanes).
double update(const Update& step);

/// The same arithmetic in the plainest loop: what the fast paths are tested against.
double update_reference(const Update& step);

/// Squared L2 norm of gradient + penalties' gradients, as clipping needs it: one reading pass.
double squared_norm(const Update& step);

/// "avx512" or "avx2": what update() runs on here.
const char* instruction_set();

}  // namespace lethe::kernels
