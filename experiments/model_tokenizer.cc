#include "experiments/model_tokenizer.h"

#include "core/models/pretrained.h"
#include "core/text/load_tokenizer.h"

namespace lethe {

ModelTokenizer model_tokenizer(const Part& model, const std::string& stream) {
  const auto path = model.options.find("path");
  if (model.name != "pretrained" || path == model.options.end()) return {};
  if (stream == "instructions" && !has_tokenizer(path->second)) return {};
  return {load_tokenizer(path->second), tokenizer_digest(path->second)};
}

ModelRows model_rows(const Part& model) {
  const auto path = model.options.find("path");
  if (model.name != "pretrained" || path == model.options.end()) return {};
  return pretrained_rows(path->second);
}

}  // namespace lethe
