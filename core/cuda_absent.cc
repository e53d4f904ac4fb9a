// A build without CUDA: every call says so.
#include "core/cuda_device.h"
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
void cuda_quantize_nf4(const Tensor& dense, int64_t, const Tensor&, const Tensor&) {
  refuse(dense.device().str());
}
void cuda_dequantize_nf4(const Tensor& codes, const Tensor&, int64_t, const Tensor&) {
  refuse(codes.device().str());
}
at::Generator cuda_generator(int64_t index, uint64_t) { refuse(index); }
void cuda_wait(int64_t index) { refuse(index); }
void meter_cuda_memory() { refuse("cuda"); }

}  // namespace lethe
