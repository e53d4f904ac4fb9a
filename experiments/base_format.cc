#include "experiments/base_format.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/formats/peft_targets.h"
#include "core/kernels/fourbit.h"
#include "core/quantised_weight.h"

namespace lethe {
namespace {

void check_skipped(const std::vector<BaseSeam>& seams, const BaseChoice& choice) {
  for (const std::string& name : skipped_names(choice.skip)) {
    const auto ends = [&](const BaseSeam& one) { return is_target(one.seam->name(), {name}); };
    if (std::any_of(seams.begin(), seams.end(), ends)) continue;
    fail("model.skip has '{}', but no Linear of the blocks ends with it; name such as '{}'", name,
         seams.empty() ? "none" : seams.front().seam->name());
  }
}

}  // namespace

std::vector<BaseSeam> base_seams(Model& model) {
  std::vector<BaseSeam> blocks, quantised;
  for (Linear* linear : model.linears()) {
    const BaseSeam seam{linear, outlier_threshold(linear->base())};
    if (linear->base().format() != std::string_view("float")) quantised.push_back(seam);
    if (linear->kind() == SeamKind::linear) blocks.push_back(seam);
  }
  return quantised.empty() ? blocks : quantised;
}

BaseChoice base_choice(const OptionMap& options) {
  const auto text = [&](const char* key, const std::string& usual) {
    const auto found = options.find(key);
    return found == options.end() ? usual : found->second;
  };
  BaseChoice choice{text("base", "float"), std::stoll(text("block", "64")), text("skip", "none")};
  kernels::check_four_bit_block(choice.block);
  return choice;
}

bool skips(const BaseChoice& choice, const std::string& name) {
  return is_target(name, skipped_names(choice.skip));
}

void apply_base(const std::vector<BaseSeam>& seams, const BaseChoice& choice) {
  const std::string& format = choice.format;
  if (format == "float") return;
  check_skipped(seams, choice);
  for (const auto& [seam, threshold] : seams) {
    if (skips(choice, seam->name())) continue;
    if (format == "int8" && seam->base().format() != format) {
      seam->set_base(make_int8(seam->base().dense(), threshold));
    } else if (choice.block != 64) {
      seam->set_base(make_base(format, seam->base().dense().detach(), choice.block));
    } else {
      seam->set_format(format);
    }
  }
}

}  // namespace lethe
