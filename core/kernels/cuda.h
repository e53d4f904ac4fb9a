// The kernels' CUDA twins: device pointers, sizes and a stream, no CUDA header needed by the
// caller. Every function queues its work on `stream` (a cudaStream_t, null for the default stream)
// and returns 0, or the cudaError_t of the launch as an int. Per-element results have the bits of
// the CPU's. Those of the other quantised formats are in core/kernels/cuda_quantised.h.
#pragma once

#include <cstdint>

#include "core/kernels/fourbit.h"
#include "core/kernels/update.h"

namespace lethe::kernels {

/// Doubles of device memory that update_cuda and squared_norm_cuda need as scratch, for any n.
int64_t update_cuda_scratch();

/// update() with every pointer of `step` on the device. Writes the penalty to *penalty (device
/// memory; may be null). Its sum runs in another order than the CPU's: equal to about 1e-12
/// relative, and the same on every run. Throws Error as update() does.
int update_cuda(const Update& step, double* penalty, double* scratch, void* stream);

/// squared_norm() to *norm (device memory), as above.
int squared_norm_cuda(const Update& step, double* norm, double* scratch, void* stream);

/// quantize_4bit and dequantize_4bit with every pointer on the device; as there, bit for bit. Both
/// throw Error for a block size that the formats lack.
int quantize_4bit_cuda(FourBit format, const float* x, int64_t n, int64_t block, uint8_t* packed,
                       float* absmax, void* stream);
int dequantize_4bit_cuda(FourBit format, const uint8_t* packed, const float* absmax, int64_t n,
                         int64_t block, float* out, void* stream);

/// The same of NF4.
inline int quantize_nf4_cuda(const float* x, int64_t n, int64_t block, uint8_t* packed,
                             float* absmax, void* stream) {
  return quantize_4bit_cuda(FourBit::nf4, x, n, block, packed, absmax, stream);
}
inline int dequantize_nf4_cuda(const uint8_t* packed, const float* absmax, int64_t n, int64_t block,
                               float* out, void* stream) {
  return dequantize_4bit_cuda(FourBit::nf4, packed, absmax, n, block, out, stream);
}

}  // namespace lethe::kernels
