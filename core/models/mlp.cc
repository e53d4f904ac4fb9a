#include "core/models/mlp.h"

#include "core/error.h"
#include "core/models/initial.h"

namespace lethe {

Mlp::Mlp(const MlpOptions& options, const ModelShape& shape, at::Generator generator) {
  if (shape.features == 0 || shape.classes == 0) {
    fail("the model 'mlp' takes images, but the stream gives text; choose the model 'decoder'");
  }
  int64_t in = shape.features;
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    layers_.push_back(fan_in_linear(fmt::format("fc{}", layer + 1), in, options.width, generator));
    in = options.width;
  }
  layers_.push_back(fan_in_linear("classifier", in, shape.classes, generator, SeamKind::head));
}

Tensor Mlp::forward(const Batch& batch) {
  Tensor x = batch.inputs;
  for (size_t layer = 0; layer + 1 < layers_.size(); ++layer) x = layers_[layer]->forward(x).relu();
  return layers_.back()->forward(x);
}

std::vector<Seam*> Mlp::seams() {
  std::vector<Seam*> found;
  for (const auto& layer : layers_) found.push_back(layer.get());
  return found;
}

}  // namespace lethe
