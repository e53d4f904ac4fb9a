#include "core/device_kernels.h"

#include "core/cuda_device.h"
#include "core/cuda_layers.h"
#include "core/kernels/blockwise8.h"
#include "core/kernels/rms_norm.h"
#include "core/kernels/softmax_loss.h"

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

void gated_on(const at::Device& device, kernels::Gate gate, const float* a, const float* b,
              float* y, float* to_a, float* to_b, int64_t n) {
  if (device.is_cuda()) return cuda_gated(device.index(), gate, a, b, y, to_a, to_b, n);
  kernels::gated(gate, a, b, y, to_a, to_b, n);
}

void gated_back_on(const at::Device& device, const float* g, const float* to_a, const float* to_b,
                   float* ga, float* gb, int64_t n) {
  if (device.is_cuda()) return cuda_gated_back(device.index(), g, to_a, to_b, ga, gb, n);
  kernels::gated_back(g, to_a, to_b, ga, gb, n);
}

void rms_norm_on(const at::Device& device, const float* x, const float* w, int64_t rows,
                 int64_t width, double epsilon, float* y, float* r) {
  if (device.is_cuda()) return cuda_rms_norm(device.index(), x, w, rows, width, epsilon, y, r);
  kernels::rms_norm(x, w, rows, width, epsilon, y, r);
}

void rms_norm_back_on(const at::Device& device, const float* x, const float* w, const float* r,
                      const float* g, int64_t rows, int64_t width, float* gx, float* gw) {
  if (device.is_cuda()) {
    return cuda_rms_norm_back(device.index(), x, w, r, g, rows, width, gx, gw);
  }
  kernels::rms_norm_back(x, w, r, g, rows, width, gx, gw);
}

Tensor softmax_loss_on(const at::Device& device, const float* z, const int64_t* target,
                       int64_t rows, int64_t classes, float factor, float* gradient) {
  const auto options = at::TensorOptions(at::kDouble).device(device);
  if (!device.is_cuda()) {
    return at::full({}, kernels::softmax_loss(z, target, rows, classes, factor, gradient), options);
  }
  const Tensor losses = at::empty({rows}, options);
  cuda_softmax_loss(device.index(), z, target, rows, classes, factor, gradient,
                    losses.mutable_data_ptr<double>());
  return losses.sum();
}

}  // namespace lethe
