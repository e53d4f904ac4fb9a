// A build without CUDA: every call says so.
#include "core/cuda_device.h"
#include "core/cuda_layers.h"
#include "core/error.h"

namespace lethe {
namespace {

[[noreturn]] void refuse(const std::string& name) {
  fail(
      "no CUDA device: this build of Lethe has no CUDA support, so '{}' can't be used; use "
      "--device "
      "cpu, or build with -DLETHE_CUDA=ON on a machine with nvcc",
      name);
}

[[noreturn]] void refuse(int64_t index) { refuse(fmt::format("cuda:{}", index)); }

}  // namespace

at::Device cuda_open(const std::string& name) { refuse(name); }
std::string cuda_class(int64_t index) { refuse(index); }
double cuda_update(int64_t index, const kernels::Update&) { refuse(index); }
double cuda_squared_norm(int64_t index, const kernels::Update&) { refuse(index); }
void cuda_quantize_4bit(int64_t index, kernels::FourBit, const float*, int64_t, int64_t, uint8_t*,
                        float*) {
  refuse(index);
}
void cuda_dequantize_4bit(int64_t index, kernels::FourBit, const uint8_t*, const float*, int64_t,
                          int64_t, float*) {
  refuse(index);
}
void cuda_dequantize_scales(int64_t index, const kernels::NestedScales&, int64_t, int64_t, float*) {
  refuse(index);
}
void cuda_quantize_8bit(int64_t index, const kernels::ByteMap&, const float*, int64_t, int64_t,
                        uint8_t*, float*) {
  refuse(index);
}
void cuda_dequantize_8bit(int64_t index, const kernels::ByteMap&, const uint8_t*, const float*,
                          int64_t, int64_t, float*) {
  refuse(index);
}
void cuda_linear_int8(int64_t index, const float*, int64_t, const kernels::Int8Matrix&, float,
                      const float*, float*) {
  refuse(index);
}
void cuda_gated(int64_t index, kernels::Gate, const float*, const float*, float*, float*, float*,
                int64_t) {
  refuse(index);
}
void cuda_gated_back(int64_t index, const float*, const float*, const float*, float*, float*,
                     int64_t) {
  refuse(index);
}
void cuda_rms_norm(int64_t index, const float*, const float*, int64_t, int64_t, double, float*,
                   float*) {
  refuse(index);
}
void cuda_rms_norm_back(int64_t index, const float*, const float*, const float*, const float*,
                        int64_t, int64_t, float*, float*) {
  refuse(index);
}
void cuda_softmax_loss(int64_t index, const float*, const int64_t*, int64_t, int64_t, float, float*,
                       double*) {
  refuse(index);
}
void cuda_round_at_random(int64_t index, const float*, int64_t, uint64_t, uint64_t, uint16_t*) {
  refuse(index);
}
CudaFetch cuda_fetch(int64_t index, const std::vector<Tensor>&) { refuse(index); }
void cuda_await(int64_t index, const CudaFetch&) { refuse(index); }
Tensor cuda_pinned(const Tensor&) { refuse("cuda"); }
at::Generator cuda_generator(int64_t index, uint64_t) { refuse(index); }
int64_t cuda_free_memory(int64_t index) { refuse(index); }
void cuda_wait(int64_t index) { refuse(index); }
void meter_cuda_memory() { refuse("cuda"); }

}  // namespace lethe
