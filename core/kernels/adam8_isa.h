// What the instruction-set versions of the 8-bit AdamW step share. Only core/kernels and its tests
// use it.
#pragma once

#include "core/kernels/adam8.h"

namespace lethe::kernels {

/// What is the same for all elements, computed in double and rounded once.
struct Adam8Constants {
  float scale, beta1, first_share, beta2, second_share, shrink, rate, epsilon;
};
Adam8Constants constants_of(const Adam8Step& step);

/// Everything but the checks. The AVX-512 version needs what has_avx512() asks for.
void adamw8_avx2(const Adam8Step& step, const Adam8Constants& constants);
void adamw8_avx512(const Adam8Step& step, const Adam8Constants& constants);

}  // namespace lethe::kernels
