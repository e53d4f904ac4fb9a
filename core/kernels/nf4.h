// The values of NF4's 16 codes (Dettmers et al. 2023, arXiv:2305.14314, appendix E), which
// core/kernels/fourbit.h and its CUDA twin look up. Code 7 is zero.
#pragma once

namespace lethe::kernels {

extern const float kNf4Values[16];

}  // namespace lethe::kernels
