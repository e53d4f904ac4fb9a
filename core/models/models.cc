#include "core/models/models.h"

#include <cmath>

#include "core/error.h"
#include "core/models/decoder.h"
#include "core/models/mlp.h"
#include "core/models/pretrained.h"

namespace lethe {
namespace {

ModelEntry mlp_entry() {
  ModelEntry entry;
  entry.name = "mlp";
  entry.summary = "Perceptron with ReLU, 784-400-400 by default, PyTorch's default initialisation.";
  entry.source = "van de Ven et al. 2022, Nature MI 4:1185";
  entry.docs = [] { return option_docs<MlpOptions>(); };
  entry.complete = [](const OptionMap& given) {
    return options_text(parse_options<MlpOptions>("mlp", given));
  };
  entry.make = [](const OptionMap& given, const ModelShape& shape, at::Generator generator) {
    return std::make_unique<Mlp>(parse_options<MlpOptions>("mlp", given), shape, generator);
  };
  return entry;
}

ModelEntry decoder_entry() {
  ModelEntry entry;
  entry.name = "decoder";
  entry.summary = "Decoder-only transformer in GPT-2, OPT, BLOOM or LLaMA form.";
  entry.source = "Radford et al. 2019; Touvron et al. 2023, arXiv:2302.13971";
  entry.text = true;
  entry.docs = [] { return option_docs<DecoderOptions>(); };
  entry.complete = [](const OptionMap& given) {
    return options_text(parse_options<DecoderOptions>("decoder", given));
  };
  entry.make = [](const OptionMap& given, const ModelShape& shape, at::Generator generator) {
    const auto options = parse_options<DecoderOptions>("decoder", given);
    return std::make_unique<Decoder>(decoder_config(options, shape), generator);
  };
  return entry;
}

}  // namespace

const std::map<std::string, ModelEntry>& model_entries() {
  static const std::map<std::string, ModelEntry> entries = {
      {"mlp", mlp_entry()}, {"decoder", decoder_entry()}, {"pretrained", pretrained_entry()}};
  return entries;
}

const ModelEntry& model_entry(const std::string& name) {
  const auto found = model_entries().find(name);
  if (found != model_entries().end()) return found->second;
  std::vector<std::string> known;
  for (const auto& entry : model_entries()) known.push_back(entry.first);
  fail("unknown model '{}'; known models: {}", name, fmt::join(known, ", "));
}

namespace {

/// A teacher's base is float.
void as_float(OptionMap& options) {
  options["base"] = "float";
  options.erase("block");
  options.erase("skip");
}

}  // namespace

OptionMap widened(const std::string& model, OptionMap options, double scale) {
  if (model == "pretrained") {
    if (scale != 1) {
      fail(
          "a model 'pretrained' has no wider form: scale is {}, expected 1; or choose the model "
          "'decoder'",
          scale);
    }
    as_float(options);
    return options;
  }
  options = model_entry(model).complete(options);
  const double width = std::stod(options.at("width"));
  int64_t wide = std::llround(width * scale);
  if (model == "decoder") {
    const int64_t heads = std::stoll(options.at("heads"));
    wide = (wide + heads - 1) / heads * heads;
    if (std::stoll(options.at("mlp_width")) > 0) {
      options["mlp_width"] =
          std::to_string(std::llround(std::stod(options.at("mlp_width")) * scale));
    }
  }
  options["width"] = std::to_string(wide);
  as_float(options);
  return options;
}

}  // namespace lethe
