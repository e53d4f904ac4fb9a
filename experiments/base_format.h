// Which weights of a model take the format that a trial's `base` names.
#pragma once

#include <string>
#include <vector>

#include "core/model.h"
#include "core/options.h"

namespace lethe {

/// A Linear whose base has a format, and from which value on its int8 form has outliers.
struct BaseSeam {
  Linear* seam;
  float threshold;
};

/// Of a model with its starting weights: those that are quantised, where its folder stores some so;
/// else every Linear of the blocks. The head and embeddings stay.
std::vector<BaseSeam> base_seams(Model& model);

/// How the bases of a model are stored: its options `base`, `block` and `skip`.
struct BaseChoice {
  std::string format = "float";
  int64_t block = 64;  ///< values a constant of 4-bit formats
  std::string skip = "none";
};

/// Of a model's options. Throws Error for a block that is no power of two.
BaseChoice base_choice(const OptionMap& options);

/// Whether the Linear called `name` is to be skipped.
bool skips(const BaseChoice& choice, const std::string& name);

/// Gives them the format, but for those that are to be skipped; what has it stays as it is, and so
/// does everything for "float". Throws Error for a name to skip that none of them ends with.
void apply_base(const std::vector<BaseSeam>& seams, const BaseChoice& choice);

}  // namespace lethe
