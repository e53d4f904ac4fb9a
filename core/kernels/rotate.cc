// The build adds -O3 -ffp-contract=off: the loop becomes vectors.
#include "core/kernels/rotate.h"

namespace lethe::kernels {
namespace {

inline void turn(const float* __restrict x, float* __restrict y, int64_t half, const float* cos,
                 const float* sin, float sign) {
  for (int64_t i = 0; i < half; ++i) {
    const float low = x[i], high = x[i + half], s = sign * sin[i];
    y[i] = low * cos[i] - high * s;
    y[i + half] = high * cos[i] + low * s;
  }
}

}  // namespace

void rotate(const HeadView& x, const HeadSpan& y, int64_t batch, int64_t heads, int64_t tokens,
            int64_t width, const float* cos, const float* sin, int64_t table_batch, bool back) {
  const float sign = back ? -1.0F : 1.0F;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t angle = b * table_batch + t * width;
      const float* from = x.data + b * x.batch + t * x.token;
      float* to = y.data + b * y.batch + t * y.token;
      for (int64_t h = 0; h < heads; ++h) {
        turn(from + h * x.head, to + h * y.head, width / 2, cos + angle, sin + angle, sign);
      }
    }
  }
}

}  // namespace lethe::kernels
