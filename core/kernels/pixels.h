// Stored pixels as brightness. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

namespace lethe::kernels {

/// shown_i = stored_i / 255 in float32; both (n).
void brightness(const uint8_t* stored, int64_t n, float* shown);

/// shown_i = stored[from_i] / 255; from and shown (n). Every from_i is an index of `stored`.
void brightness_from(const uint8_t* stored, const int32_t* from, int64_t n, float* shown);

}  // namespace lethe::kernels
