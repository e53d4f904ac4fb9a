#include "core/models/tensor_shapes.h"

#include <functional>
#include <map>
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

std::vector<std::string> lora_targets(const std::string& model_type) {
  static const std::map<std::string, std::vector<std::string>> known = {
      {"gpt2", {"c_attn"}},
      {"opt", {"q_proj", "v_proj"}},
      {"bloom", {"query_key_value"}},
      {"llama", {"q_proj", "v_proj"}},
      {"mistral", {"q_proj", "v_proj"}},
      {"qwen2", {"q_proj", "v_proj"}},
      {"t5", {"q", "v"}},
      {"mt5", {"q", "v"}},
      {"bert", {"query", "value"}}};
  const auto found = known.find(model_type);
  return found == known.end() ? std::vector<std::string>() : found->second;
}

bool is_target(const std::string& name, const std::vector<std::string>& targets) {
  for (const std::string& target : targets) {
    if (name == target || name.ends_with("." + target)) return true;
  }
  return false;
}

}  // namespace lethe
