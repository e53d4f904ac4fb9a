// The build adds -O3: divisions become vectors, which a table of 256 values would not.
#include "core/kernels/pixels.h"

#include <algorithm>

namespace lethe::kernels {

void brightness(const uint8_t* stored, int64_t n, float* shown) {
  for (int64_t i = 0; i < n; ++i) shown[i] = static_cast<float>(stored[i]) / 255.0F;
}

void brightness_from(const uint8_t* stored, const int32_t* from, int64_t n, float* shown) {
  constexpr int64_t kChunk = 512;  // stays in the nearest cache
  uint8_t moved[kChunk];
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    const int64_t count = std::min(kChunk, n - begin);
    for (int64_t i = 0; i < count; ++i) moved[i] = stored[from[begin + i]];
    brightness(moved, count, shown + begin);
  }
}

}  // namespace lethe::kernels
