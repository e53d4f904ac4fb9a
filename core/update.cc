#include "core/update.h"

#include <algorithm>

#include "core/cuda_device.h"
#include "core/error.h"
#include "core/loss.h"

namespace lethe {
namespace {

/// "cuda:0" to "cuda:99".
bool names_cuda_index(const std::string& name) {
  const std::string index = name.rfind("cuda:", 0) == 0 ? name.substr(5) : "";
  return !index.empty() && index.size() <= 2 &&
         std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
}

float* after(float* array, int64_t offset) { return array == nullptr ? nullptr : array + offset; }
const float* after(const float* array, int64_t offset) {
  return array == nullptr ? nullptr : array + offset;
}

}  // namespace

kernels::Update part_of(const kernels::Update& step, int64_t offset, int64_t n) {
  kernels::Update part = step;
  part.n = n;
  part.value = after(step.value, offset);
  part.gradient = after(step.gradient, offset);
  part.first = after(step.first, offset);
  part.second = after(step.second, offset);
  part.added = after(step.added, offset);
  for (int i = 0; i < step.terms; ++i) {
    part.term[i].importance = after(step.term[i].importance, offset);
    part.term[i].anchor = after(step.term[i].anchor, offset);
  }
  for (int i = 0; i < step.paths; ++i) part.path[i].path = after(step.path[i].path, offset);
  return part;
}

double update_on(const at::Device& device, const kernels::Update& step) {
  return device.is_cuda() ? cuda_update(device.index(), step) : kernels::update(step);
}

double squared_norm_on(const at::Device& device, const kernels::Update& step) {
  return device.is_cuda() ? cuda_squared_norm(device.index(), step) : kernels::squared_norm(step);
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
  if (name != "cuda" && !names_cuda_index(name)) {
    fail("unknown device '{}'; expected cpu, cuda or cuda:INDEX", name);
  }
  return cuda_open(name);
}

std::string device_class(const at::Device& device) {
  return device.is_cuda() ? cuda_class(device.index()) : "cpu";
}

int64_t free_memory(const at::Device& device) {
  return device.is_cuda() ? cuda_free_memory(device.index()) : 0;
}

void wait_for(const at::Device& device) {
  if (device.is_cuda()) cuda_wait(device.index());
}

}  // namespace lethe
