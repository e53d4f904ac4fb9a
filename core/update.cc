#include "core/update.h"

#include "core/error.h"
#include "core/loss.h"

#ifdef LETHE_CUDA
#include "core/cuda_device.h"
#endif

namespace lethe {

double update_on(const at::Device& device, const kernels::Update& step) {
#ifdef LETHE_CUDA
  if (device.is_cuda()) return cuda_update(device.index(), step);
#endif
  if (!device.is_cpu())
    fail("this build has no update for {}; build with -DLETHE_CUDA=ON", device.str());
  return kernels::update(step);
}

double squared_norm_on(const at::Device& device, const kernels::Update& step) {
#ifdef LETHE_CUDA
  if (device.is_cuda()) return cuda_squared_norm(device.index(), step);
#endif
  if (!device.is_cpu())
    fail("this build has no norm for {}; build with -DLETHE_CUDA=ON", device.str());
  return kernels::squared_norm(step);
}

void gradient_of(Model& model, const Arena& arena, const Batch& batch, Tensor out) {
  std::vector<Tensor> parameters;
  for (const ArenaRange& range : arena.ranges()) parameters.push_back(range.parameter);
  const auto gradients =
      torch::autograd::grad({task_loss(model.forward(batch), batch)}, parameters, {},
                            /*retain_graph=*/std::nullopt, /*create_graph=*/false,
                            /*allow_unused=*/true);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Tensor target = arena.slice(out, arena.ranges()[i]);
    if (gradients[i].defined()) {
      target.copy_(gradients[i]);
    } else {
      target.zero_();
    }
  }
}

at::Device open_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  if (name != "cuda" && name.rfind("cuda:", 0) != 0) {
    fail("unknown device '{}'; expected cpu, cuda or cuda:INDEX", name);
  }
#ifdef LETHE_CUDA
  return cuda_open(name);
#else
  fail(
      "no CUDA device: this build of Lethe has no CUDA support, so '{}' can't be used; use "
      "--device "
      "cpu, or build with -DLETHE_CUDA=ON on a machine with nvcc",
      name);
#endif
}

std::string device_class(const at::Device& device) {
#ifdef LETHE_CUDA
  if (device.is_cuda()) return cuda_class(device.index());
#endif
  return device.is_cpu() ? "cpu" : device.str();
}

}  // namespace lethe
