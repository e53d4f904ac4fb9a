// What the CPU and the CUDA version of NF4 share. Only core/kernels uses it.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// The code of an exact zero; it pads odd lengths.
constexpr uint8_t kNf4ZeroCode = 7;

/// The midpoints of neighbouring values in fp32: code i iff threshold[i - 1] < x <= threshold[i].
extern const float kNf4Thresholds[15];

}  // namespace lethe::kernels
