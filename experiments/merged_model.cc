#include "experiments/merged_model.h"

#include <algorithm>

#include "core/error.h"
#include "core/models/pretrained.h"
#include "core/quantised_weight.h"
#include "experiments/base_format.h"

namespace lethe {
namespace {

/// The format in which the starting folder stores its weights; empty for float.
std::string stored_base_of(const StartingPoint& start) {
  if (start.model.name != "pretrained") return "";
  OptionMap options = start.model.options;
  options.erase("checkpoint");
  return stored_base(parse_options<PretrainedOptions>("pretrained", options));
}

/// Every quantised base as the dense weight that it stands for.
void make_dense_base(Model& model) {
  for (Linear* seam : model.linears()) seam->set_format("float");
}

/// Whether the model is written as codes and scales.
bool is_coded(const std::string& base) {
  const auto& formats = base_formats();
  return has_codes(base) && std::find(formats.begin(), formats.end(), base) != formats.end();
}

bool kept_float(const PeftFamily& family, const Linear& seam) {
  return std::any_of(family.kept_float.begin(), family.kept_float.end(),
                     [&](const std::string& name) { return has_ending(seam.name(), name); });
}

}  // namespace

std::string merge_base(const Deployed& deployed, const std::string& asked) {
  const bool quantised = deployed.start.model.options.at("base") != "float";
  if (asked.empty()) return quantised ? "dequantised" : "float";
  if (asked == "dequantised" && !quantised) {
    fail(
        "the trial was trained on a float base, so there is none to dequantise; choose --base "
        "float "
        "or requantised");
  }
  const std::string stored = stored_base_of(deployed.start);
  if (asked == "float" && !stored.empty()) {
    fail(
        "the weights of {} are stored as {}, so there is no float base; choose --base dequantised "
        "or {}",
        folder_of(deployed.start), stored, stored);
  }
  return asked;
}

std::vector<std::string> merge_bases() {
  std::vector<std::string> names = {"float", "dequantised", "requantised"};
  std::copy_if(base_formats().begin(), base_formats().end(), std::back_inserter(names), is_coded);
  return names;
}

std::unique_ptr<Model> merged_model(const Deployed& deployed, const PeftFamily& family,
                                    const std::string& base) {
  auto model = make_start(deployed.start, base == "float" ? "float" : "");
  std::vector<BaseSeam> seams = base_seams(*model);
  attach(*model, deployed.learned);
  for (Linear* seam : model->linears()) seam->merge_adapters();
  if (is_coded(base)) {
    std::erase_if(seams, [&](const BaseSeam& one) { return kept_float(family, *one.seam); });
    for (Linear* seam : model->linears()) {
      if (kept_float(family, *seam)) seam->set_format("float");
    }
    apply_base(seams, {base});
    return model;
  }
  make_dense_base(*model);
  if (base == "requantised") {
    apply_base(seams, {"nf4"});
    make_dense_base(*model);
  }
  return model;
}

}  // namespace lethe
