// Which instruction set the kernels run on. Every one of them is compiled for AVX2 and for AVX-512
// and chosen at run time, once. Free of libtorch.
#pragma once

namespace lethe::kernels {

/// Whether processor and system offer x86-64-v4.
bool has_avx512();

/// Whether to run the AVX-512 version: what is offered, unless `forced` (the environment's
/// LETHE_ISA, may be null or empty) says avx2 or avx512. Throws Error for another word and for what
/// is not offered.
bool choose_avx512(const char* forced, bool offered);

/// What was chosen here.
bool use_avx512();

}  // namespace lethe::kernels
