// Kernels by the device on which their pointers lie: the CUDA twin on a GPU, else the CPU's.
#pragma once

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

}  // namespace lethe
