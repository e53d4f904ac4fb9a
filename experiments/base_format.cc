#include "experiments/base_format.h"

#include <string_view>

#include "core/quantised_weight.h"

namespace lethe {

std::vector<BaseSeam> base_seams(Model& model) {
  std::vector<BaseSeam> blocks, quantised;
  for (Linear* linear : model.linears()) {
    const BaseSeam seam{linear, outlier_threshold(linear->base())};
    if (linear->base().format() != std::string_view("float")) quantised.push_back(seam);
    if (linear->kind() == SeamKind::linear) blocks.push_back(seam);
  }
  return quantised.empty() ? blocks : quantised;
}

void apply_base(const std::vector<BaseSeam>& seams, const std::string& format) {
  if (format == "float") return;
  for (const auto& [seam, threshold] : seams) {
    if (format == "int8" && seam->base().format() != format) {
      seam->set_base(make_int8(seam->base().dense(), threshold));
    } else {
      seam->set_format(format);
    }
  }
}

}  // namespace lethe
