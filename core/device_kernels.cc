#include "core/device_kernels.h"

#include "core/cuda_device.h"
#include "core/kernels/blockwise8.h"

namespace lethe {

void quantize_8bit_on(const at::Device& device, const kernels::ByteMap& map, const float* x,
                      int64_t n, int64_t block, uint8_t* codes, float* absmax) {
  if (device.is_cuda()) {
    return cuda_quantize_8bit(device.index(), map, x, n, block, codes, absmax);
  }
  kernels::quantize_8bit(map, x, n, block, codes, absmax);
}

void dequantize_8bit_on(const at::Device& device, const kernels::ByteMap& map, const uint8_t* codes,
                        const float* absmax, int64_t n, int64_t block, float* out) {
  if (device.is_cuda()) {
    return cuda_dequantize_8bit(device.index(), map, codes, absmax, n, block, out);
  }
  kernels::dequantize_8bit(map, codes, absmax, n, block, out);
}

void quantize_4bit_on(const at::Device& device, kernels::FourBit format, const float* x, int64_t n,
                      int64_t block, uint8_t* packed, float* absmax) {
  if (device.is_cuda()) {
    return cuda_quantize_4bit(device.index(), format, x, n, block, packed, absmax);
  }
  kernels::quantize_4bit(format, x, n, block, packed, absmax);
}

void dequantize_4bit_on(const at::Device& device, kernels::FourBit format, const uint8_t* packed,
                        const float* absmax, int64_t n, int64_t block, float* out) {
  if (device.is_cuda()) {
    return cuda_dequantize_4bit(device.index(), format, packed, absmax, n, block, out);
  }
  kernels::dequantize_4bit(format, packed, absmax, n, block, out);
}

void dequantize_scales_on(const at::Device& device, const kernels::NestedScales& nested,
                          int64_t begin, int64_t n, float* scales) {
  if (device.is_cuda()) return cuda_dequantize_scales(device.index(), nested, begin, n, scales);
  kernels::dequantize_scales(*nested.map, nested.codes, nested.absmax, nested.offset, begin, n,
                             nested.block, scales);
}

void linear_int8_on(const at::Device& device, const float* x, int64_t tokens,
                    const kernels::Int8Matrix& w, float threshold, const float* bias, float* y) {
  if (device.is_cuda()) {
    return cuda_linear_int8(device.index(), x, tokens, w, threshold, bias, y);
  }
  kernels::linear_int8(x, tokens, w, threshold, bias, y);
}

}  // namespace lethe
