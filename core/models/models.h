// The built-in architectures by name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/model.h"
#include "core/options.h"
#include "core/task.h"

namespace lethe {

/// What a stream and a tokenizer ask of a model's shape.
struct ModelShape {
  int64_t features = 0, classes = 0;    ///< of images
  int64_t vocabulary = 0, longest = 0;  ///< of text
};

struct ModelEntry {
  std::string name, summary, source;
  bool text = false;  ///< takes token rows; else images
  std::function<std::vector<OptionDoc>()> docs;
  std::function<OptionMap(const OptionMap&)> complete;
  /// Fresh weights drawn from `generator`. Throws where shape and model don't fit.
  std::function<std::unique_ptr<Model>(const OptionMap&, const ModelShape&, at::Generator)> make;
};

/// "mlp", "decoder", "pretrained".
const std::map<std::string, ModelEntry>& model_entries();
/// Throws "unknown model 'x'; known models: decoder, mlp, pretrained".
const ModelEntry& model_entry(const std::string& name);
/// The options of a model `scale` times as wide, for a teacher.
OptionMap widened(const std::string& model, OptionMap options, double scale);

}  // namespace lethe
