#include "core/capture.h"

#include <algorithm>

namespace lethe {
namespace {

thread_local std::vector<Capture::Site>* recorded = nullptr;

}  // namespace

bool detail::recording() { return recorded != nullptr; }

void detail::record(Linear* seam, const Tensor& input, const Tensor& output) {
  if (recorded == nullptr) return;
  Capture::Site site;
  site.seam = seam;
  site.input = input.detach();
  site.output = output;
  recorded->push_back(std::move(site));
}

void detail::record(Capture::Kind kind, const Tensor& weight, const Tensor& input,
                    const Tensor& output, const Tensor& bias) {
  if (recorded == nullptr) return;
  recorded->push_back(
      {nullptr, input.defined() ? input.detach() : Tensor(), output, kind, weight, bias});
}

Capture::Capture(Model& model, const Batch& batch) {
  const at::AutoGradMode with_graph(true);
  recorded = &sites_;
  try {
    logits_ = model.forward(batch);
  } catch (...) {
    recorded = nullptr;
    throw;
  }
  recorded = nullptr;
  sites_.erase(std::remove_if(sites_.begin(), sites_.end(),
                              [](const Site& site) { return !site.output.requires_grad(); }),
               sites_.end());
}

std::vector<Tensor> Capture::output_gradients(const Tensor& cotangent) const {
  std::vector<Tensor> outputs;
  for (const Site& site : sites_) outputs.push_back(site.output);
  return torch::autograd::grad({logits_}, outputs, {cotangent}, /*retain_graph=*/true,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

bool one_vector_per_row(Model& model, const Arena& arena, const Batch& probe) {
  if (probe.positions.defined()) return false;
  const Capture capture(model, probe);
  int64_t covered = 0;
  for (const Capture::Site& site : capture.sites()) {
    if (site.seam == nullptr) return false;
    if (site.input.dim() != 2 || !site.seam->adapters().empty()) return false;
    site.seam->parameters([&covered](const std::string&, Tensor& value) {
      if (value.requires_grad()) covered += value.numel();
    });
  }
  return covered == arena.parameter_count();
}

}  // namespace lethe
