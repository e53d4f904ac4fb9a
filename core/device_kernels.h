// Kernels by the device on which their pointers lie: the CUDA twin on a GPU, else the CPU's.
#pragma once

#include "core/kernels/gated.h"
#include "core/kernels/tile_product.h"
#include "core/torch.h"

namespace lethe {

/// The functions of these names in kernels::; `map` and structs lie on the host.
void quantize_8bit_on(const at::Device& device, const kernels::ByteMap& map, const float* x,
                      int64_t n, int64_t block, uint8_t* codes, float* absmax);
void dequantize_8bit_on(const at::Device& device, const kernels::ByteMap& map, const uint8_t* codes,
                        const float* absmax, int64_t n, int64_t block, float* out);
void quantize_4bit_on(const at::Device& device, kernels::FourBit format, const float* x, int64_t n,
                      int64_t block, uint8_t* packed, float* absmax);
void dequantize_4bit_on(const at::Device& device, kernels::FourBit format, const uint8_t* packed,
                        const float* absmax, int64_t n, int64_t block, float* out);
void dequantize_scales_on(const at::Device& device, const kernels::NestedScales& nested,
                          int64_t begin, int64_t n, float* scales);
void linear_int8_on(const at::Device& device, const float* x, int64_t tokens,
                    const kernels::Int8Matrix& w, float threshold, const float* bias, float* y);

/// Whether the functions below have a kernel for the tensor: float32, on the CPU or a GPU.
inline bool has_kernels(const Tensor& x) {
  return (x.is_cpu() || x.is_cuda()) && x.scalar_type() == at::kFloat;
}

void gated_on(const at::Device& device, kernels::Gate gate, const float* a, const float* b,
              float* y, float* to_a, float* to_b, int64_t n);
void gated_back_on(const at::Device& device, const float* g, const float* to_a, const float* to_b,
                   float* ga, float* gb, int64_t n);
void rms_norm_on(const at::Device& device, const float* x, const float* w, int64_t rows,
                 int64_t width, double epsilon, float* y, float* r);
void rms_norm_back_on(const at::Device& device, const float* x, const float* w, const float* r,
                      const float* g, int64_t rows, int64_t width, float* gx, float* gw);
/// The sum of the losses, () float64 on the device of the pointers.
Tensor softmax_loss_on(const at::Device& device, const float* z, const int64_t* target,
                       int64_t rows, int64_t classes, float factor, float* gradient);

}  // namespace lethe
