#include "core/offload.h"

#include <fmt/ranges.h>

#include "core/byte_moments.h"
#include "core/error.h"
#include "core/host_moments.h"
#include "core/weight_stream.h"

namespace lethe {
namespace {

std::vector<Linear*> block_linears(Model& model) {
  std::vector<Linear*> found;
  for (Linear* linear : model.linears()) {
    if (linear->kind() == SeamKind::linear) found.push_back(linear);
  }
  return found;
}

bool is_trained(Linear& linear) {
  bool trained = false;
  linear.base().parameters("", [&](const std::string&, const Tensor& value) {
    trained = trained || value.requires_grad();
  });
  return trained;
}

}  // namespace

std::unique_ptr<Moments> moments_apart(const plan::Levers& levers, const TrainOptions& options,
                                       const at::Device& device) {
  if (levers.moments_8bit) return std::make_unique<ByteMoments>(levers.offload_moments);
  if (!levers.offload_moments) return nullptr;
  return std::make_unique<HostMoments>(device, options.optimizer == "sgd" ? 1 : 2);
}

void offload_blocks(Model& model, const at::Device& device) {
  const auto stream = std::make_shared<WeightStream>(device);
  for (Linear* linear : block_linears(model)) {
    linear->offload(device);
    static_cast<OffloadedWeight&>(linear->base()).come_by(stream);
  }
}

void take_back_trained(Model& model, const std::vector<std::string>& names) {
  int64_t left = 0;
  for (Linear* linear : block_linears(model)) {
    if (is_trained(*linear)) linear->take_back();
    left += linear->offloaded() ? 1 : 0;
  }
  if (left > 0) return;
  fail(
      "train.levers has offload-weights, but {} trains the weights of all blocks; drop one of them",
      names.empty() ? "finetune" : fmt::format("{}", fmt::join(names, "+")));
}

}  // namespace lethe
