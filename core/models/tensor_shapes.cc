#include "core/models/tensor_shapes.h"

#include <functional>
#include <numeric>

#include "core/models/pretrained.h"

namespace lethe {
namespace {

std::vector<TensorShape> model_shapes(const HfConfig& config) {
  std::vector<TensorShape> shapes;
  const auto model = pretrained_family(config).make(config, {});
  for (const Parameter& parameter : model->parameters()) {
    shapes.push_back({parameter.name, parameter.value.sizes().vec()});
  }
  return shapes;
}

}  // namespace

int64_t TensorShape::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<TensorShape> tensor_shapes(const HfConfig& config) {
  std::vector<TensorShape> shapes = model_shapes(config);
  const std::vector<std::string> architectures = config.architectures();
  const bool headless = config.model_type() == "bert" && !architectures.empty() &&
                        !architectures[0].ends_with("ForSequenceClassification");
  if (headless) {  // the classifier that the model has is none of the folder's
    std::erase_if(shapes, [](const TensorShape& s) { return s.name.starts_with("classifier."); });
  }
  return shapes;
}

}  // namespace lethe
