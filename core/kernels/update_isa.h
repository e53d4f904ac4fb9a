// What the instruction-set versions of the fused update share. Only core/kernels and its tests use
// it.
#pragma once

#include <cstdint>

#include "core/kernels/isa.h"
#include "core/kernels/update.h"

namespace lethe::kernels {

/// Reductions run over this many lanes: element i adds to lane i % kLanes, then the lanes are added
/// in order. So a sum has the same bits whatever the width of the registers.
constexpr int kLanes = 16;

/// Elements handled before going on to the next array region: small enough that the parts of one
/// update find a block's values in the first-level cache. A multiple of kLanes.
constexpr int64_t kBlock = 512;

/// Everything of a step that is the same for all elements, computed in double and rounded once.
struct StepConstants {
  float scale;         ///< gradient_scale
  float weight_decay;  ///< of sgd and adam: times theta, added to the gradient
  float shrink;        ///< of adamw: 1 - lr * wd
  float momentum;
  float first_share;  ///< 1 - beta1
  float beta2;
  float second_share;  ///< 1 - beta2
  float root;          ///< sqrt(1 - beta2^step)
  float epsilon;
  float rate;  ///< lr; of adam and adamw lr / (1 - beta1^step)
};

StepConstants constants_of(const Update& step);

/// What one element goes through; sgd splits by what it does to the momentum buffer.
enum class Rule : uint8_t { sgd, sgd_first, sgd_later, adam, adamw };
Rule rule_of(const Update& step);

/// `step` without the terms that have strength 0, so that they cannot change a bit. Throws Error
/// for too many terms or paths, a negative n, and moments that are missing.
Update checked(const Update& step);

/// `step` as the norm needs it: no moments asked for.
Update reading(const Update& step);

/// All take a checked step. The AVX-512 versions need what has_avx512() asks for.
double update_avx2(const Update& step);
double update_avx512(const Update& step);
double squared_norm_avx2(const Update& step);
double squared_norm_avx512(const Update& step);
/// The arguments of round_at_random().
void round_at_random_avx2(const float* from, int64_t n, uint64_t key, uint64_t first, uint16_t* to);
void round_at_random_avx512(const float* from, int64_t n, uint64_t key, uint64_t first,
                            uint16_t* to);

}  // namespace lethe::kernels
