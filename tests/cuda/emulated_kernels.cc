// The CUDA kernels as functions of the CPU: tests/cuda/emulated/cuda_runtime.h comes before CUDA's
// header.
#include "core/kernels/adam8.cu"
#include "core/kernels/bf16_round.cu"
#include "core/kernels/blockwise8.cu"
#include "core/kernels/fourbit.cu"
#include "core/kernels/int8_rows.cu"
#include "core/kernels/layers.cu"
#include "core/kernels/tile_product.cu"
#include "core/kernels/update.cu"
