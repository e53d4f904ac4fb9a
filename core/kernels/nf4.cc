#include "core/kernels/nf4.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/nf4_table.h"

namespace lethe::kernels {

const float kNf4Values[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

const float kNf4Thresholds[15] = {
    -0.8480963706970215f,  -0.6106328964233398f,  -0.4599952697753906f,   -0.33967941999435425f,
    -0.23460739850997925f, -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f,
    0.120255246758461f,    0.2035212516784668f,   0.2920137643814087f,    0.3893125355243683f,
    0.5016634464263916f,   0.6427869200706482f,   0.8614784479141235f};

namespace {

/// How many thresholds lie below `scaled`, by halving without branches.
uint8_t code_of(float scaled) {
  unsigned code = 0;
  for (unsigned half = 8; half > 0; half /= 2) {
    code += static_cast<unsigned>(scaled > kNf4Thresholds[code + half - 1]) * half;
  }
  return static_cast<uint8_t>(code);
}

float absmax_of(const float* x, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
  return most;
}

}  // namespace

void quantize_nf4(const float* x, int64_t n, int64_t block, uint8_t* packed, float* absmax) {
  for (int64_t start = 0; start < n; start += block) {
    const int64_t length = std::min(block, n - start);
    const float* values = x + start;
    const float most = absmax_of(values, length);
    absmax[start / block] = most;
    // Finite also where the block is all zero (code 7 then) or its absmax is below 2^-128.
    const float reciprocal = std::min(1.0f / most, std::numeric_limits<float>::max());
    uint8_t* out = packed + start / 2;
    for (int64_t i = 0; i < length; i += 2) {
      const uint8_t high = code_of(values[i] * reciprocal);
      const uint8_t low = i + 1 < length ? code_of(values[i + 1] * reciprocal) : kNf4ZeroCode;
      out[i / 2] = static_cast<uint8_t>(high << 4 | low);
    }
  }
}

void dequantize_nf4(const uint8_t* packed, const float* absmax, int64_t n, int64_t block,
                    float* out) {
  for (int64_t start = 0; start < n; start += block) {
    const int64_t length = std::min(block, n - start);
    float scaled[16];
    for (int code = 0; code < 16; ++code) scaled[code] = kNf4Values[code] * absmax[start / block];
    const uint8_t* codes = packed + start / 2;
    float* values = out + start;
    for (int64_t i = 0; i + 1 < length; i += 2) {
      values[i] = scaled[codes[i / 2] >> 4];
      values[i + 1] = scaled[codes[i / 2] & 15];
    }
    if (length % 2 == 1) values[length - 1] = scaled[codes[length / 2] >> 4];
  }
}

}  // namespace lethe::kernels
