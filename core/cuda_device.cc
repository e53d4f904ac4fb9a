#include "core/cuda_device.h"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <map>

#include "core/cuda_queue.h"
#include "core/error.h"
#include "core/kernels/cuda.h"
#include "core/kernels/cuda_quantised.h"
#include "core/memory.h"

namespace lethe {

void check_cuda(int result, int64_t index, const char* what) {
  if (result == 0) return;
  const auto error = static_cast<cudaError_t>(result);
  const bool architecture =
      error == cudaErrorNoKernelImageForDevice || error == cudaErrorUnsupportedPtxVersion;
  fail("{} on cuda:{} failed: {} ({}); {}", what, index, cudaGetErrorName(error),
       cudaGetErrorString(error),
       architecture ? "build with -DCMAKE_CUDA_ARCHITECTURES of this GPU's compute capability"
                    : "CUDA_LAUNCH_BLOCKING=1 shows which call failed first");
}

namespace {

/// Doubles on the device: the reductions' scratch, and after it the result.
Tensor reduction(int64_t index) {
  const MemoryTag tag(Category::workspace);
  const auto options = at::TensorOptions(at::kDouble).device(at::kCUDA, cuda_index(index));
  return at::empty({kernels::update_cuda_scratch() + 1}, options);
}

double result_of(const Tensor& reduction) {
  return reduction.select(0, reduction.numel() - 1).item<double>();
}

/// Same machine, same bits: libtorch otherwise adds in the order in which threads happen to come.
void be_deterministic() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

/// cuBLAS keeps a workspace for each thread that calls it, autograd's included. Taken here, it is
/// booked as such, and not under what happens to be computed first.
void take_workspaces(const at::Device& device) {
  const MemoryTag tag(Category::workspace);
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const Tensor ones = at::ones({2, 2}, options);
  Tensor weight = at::ones({2, 2}, options);
  weight.set_requires_grad(true);
  const Tensor product = at::linear(ones, weight, at::ones({2}, options));
  torch::autograd::backward({product.sum()}, {});
}

std::string range(int count) {
  return count == 1 ? "cuda:0" : fmt::format("cuda:0 to cuda:{}", count - 1);
}

}  // namespace

at::Device cuda_open(const std::string& name) {
  const int64_t index = name == "cuda" ? 0 : std::stoll(name.substr(5));
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    fail(
        "no CUDA device '{}': 0 are visible ({}); use --device cpu, or look at the driver "
        "(nvidia-smi) and at CUDA_VISIBLE_DEVICES",
        name, error == cudaSuccess ? "the driver lists none" : cudaGetErrorString(error));
  }
  if (index >= count) {
    fail("no CUDA device '{}': {} visible; choose {}, or look at CUDA_VISIBLE_DEVICES", name,
         count == 1 ? "1 is" : fmt::format("{} are", count), range(count));
  }
  const at::Device device(at::kCUDA, cuda_index(index));
  be_deterministic();
  at::globalContext().lazyInitDevice(at::kCUDA);
  c10::cuda::set_device(device.index());
  meter_cuda_memory();
  static const bool ready = (take_workspaces(device), true);
  static_cast<void>(ready);
  return device;
}

std::string cuda_class(int64_t index) {
  cudaDeviceProp found{};
  check_cuda(cudaGetDeviceProperties(&found, static_cast<int>(index)), index,
             "reading the properties");
  return fmt::format("cuda {} sm_{}{}", found.name, found.major, found.minor);
}

double cuda_update(int64_t index, const kernels::Update& step) {
  const Queue queue(index);
  if (step.terms == 0 || !step.summed) {
    check_cuda(kernels::update_cuda(step, nullptr, nullptr, queue.stream.stream()), index,
               "the update");
    return 0;
  }
  const Tensor sums = reduction(index);
  auto* scratch = sums.data_ptr<double>();
  check_cuda(kernels::update_cuda(step, scratch + kernels::update_cuda_scratch(), scratch,
                                  queue.stream.stream()),
             index, "the update");
  return result_of(sums);
}

double cuda_squared_norm(int64_t index, const kernels::Update& step) {
  const Queue queue(index);
  const Tensor sums = reduction(index);
  auto* scratch = sums.data_ptr<double>();
  check_cuda(kernels::squared_norm_cuda(step, scratch + kernels::update_cuda_scratch(), scratch,
                                        queue.stream.stream()),
             index, "the gradient's norm");
  return result_of(sums);
}

void cuda_quantize_4bit(int64_t index, kernels::FourBit format, const float* x, int64_t n,
                        int64_t block, uint8_t* packed, float* absmax) {
  const Queue queue(index);
  check_cuda(
      kernels::quantize_4bit_cuda(format, x, n, block, packed, absmax, queue.stream.stream()),
      index, "quantising to 4 bits");
}

void cuda_dequantize_4bit(int64_t index, kernels::FourBit format, const uint8_t* packed,
                          const float* absmax, int64_t n, int64_t block, float* out) {
  const Queue queue(index);
  check_cuda(
      kernels::dequantize_4bit_cuda(format, packed, absmax, n, block, out, queue.stream.stream()),
      index, "dequantising from 4 bits");
}

void cuda_dequantize_scales(int64_t index, const kernels::NestedScales& nested, int64_t begin,
                            int64_t n, float* scales) {
  const Queue queue(index);
  check_cuda(
      kernels::dequantize_scales_cuda(*nested.map, nested.codes, nested.absmax, nested.offset,
                                      begin, n, nested.block, scales, queue.stream.stream()),
      index, "dequantising scales");
}

void cuda_quantize_8bit(int64_t index, const kernels::ByteMap& map, const float* x, int64_t n,
                        int64_t block, uint8_t* codes, float* absmax) {
  const Queue queue(index);
  check_cuda(kernels::quantize_8bit_cuda(map, x, n, block, codes, absmax, queue.stream.stream()),
             index, "quantising to 8 bits");
}

void cuda_dequantize_8bit(int64_t index, const kernels::ByteMap& map, const uint8_t* codes,
                          const float* absmax, int64_t n, int64_t block, float* out) {
  const Queue queue(index);
  check_cuda(
      kernels::dequantize_8bit_cuda(map, codes, absmax, n, block, out, queue.stream.stream()),
      index, "dequantising from 8 bits");
}

void cuda_linear_int8(int64_t index, const float* x, int64_t tokens, const kernels::Int8Matrix& w,
                      float threshold, const float* bias, float* y) {
  const Queue queue(index);
  const at::Device device(at::kCUDA, cuda_index(index));
  const Tensor scratch = at::empty({kernels::linear_int8_cuda_scratch(tokens, w.columns)},
                                   at::TensorOptions(at::kByte).device(device));
  check_cuda(kernels::linear_int8_cuda(x, tokens, w, threshold, bias, scratch.data_ptr(), y,
                                       queue.stream.stream()),
             index, "a product with an int8 weight");
}

namespace {

/// The stream of this process's fetches on a device.
c10::cuda::CUDAStream fetching(int64_t index) {
  static std::map<int64_t, c10::cuda::CUDAStream> streams;
  const auto known = streams.find(index);
  if (known != streams.end()) return known->second;
  const auto made = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, cuda_index(index));
  return streams.emplace(index, made).first->second;
}

}  // namespace

CudaFetch cuda_fetch(int64_t index, const std::vector<Tensor>& host) {
  const Queue queue(index);
  const c10::cuda::CUDAStream beside = fetching(index);
  const c10::cuda::CUDAStreamGuard guard(beside);
  CudaFetch fetch;
  for (const Tensor& tensor : host) {
    fetch.there.push_back(
        tensor.to(at::Device(at::kCUDA, cuda_index(index)), /*non_blocking=*/true));
  }
  auto arrival = std::make_shared<at::cuda::CUDAEvent>();
  arrival->record(beside);
  fetch.arrival = arrival;
  return fetch;
}

void cuda_await(int64_t index, const CudaFetch& fetch) {
  const Queue queue(index);
  static_cast<at::cuda::CUDAEvent*>(fetch.arrival.get())->block(queue.stream);
  for (const Tensor& tensor : fetch.there) tensor.record_stream(queue.stream);
}

Tensor cuda_pinned(const Tensor& host) {
  const Tensor flat = host.contiguous();
  const auto bytes = static_cast<int64_t>(flat.nbytes());
  if (bytes == 0) return flat;
  void* memory = nullptr;
  const cudaError_t error =
      cudaHostAlloc(&memory, static_cast<size_t>(bytes), cudaHostAllocDefault);
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    fail("no {} bytes of page-locked host memory: {}; drop the lever offload-weights", bytes,
         cudaGetErrorString(error));
  }
  const Category category = book_host(bytes);
  const auto release = [bytes, category](void* begin) {
    static_cast<void>(cudaFreeHost(begin));  // fails where the driver is gone already
    unbook_host(category, bytes);
  };
  const Tensor made = at::from_blob(memory, flat.sizes(), release, flat.options());
  made.copy_(flat);
  return made;
}

at::Generator cuda_generator(int64_t index, uint64_t seed) {
  at::Generator made = at::cuda::detail::createCUDAGenerator(cuda_index(index));
  made.set_current_seed(seed);
  return made;
}

int64_t cuda_free_memory(int64_t index) {
  const Queue queue(index);
  size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), index, "reading the free memory");
  return static_cast<int64_t>(free);
}

void cuda_wait(int64_t index) {
  const Queue queue(index);
  c10::cuda::device_synchronize();
}

}  // namespace lethe
