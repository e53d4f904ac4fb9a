// Which weights of a model take the format that a trial's `base` names.
#pragma once

#include <string>
#include <vector>

#include "core/model.h"

namespace lethe {

/// A Linear whose base has a format, and from which value on its int8 form has outliers.
struct BaseSeam {
  Linear* seam;
  float threshold;
};

/// Of a model with its starting weights: those that are quantised, where its folder stores some so;
/// else every Linear of the blocks. The head and embeddings stay.
std::vector<BaseSeam> base_seams(Model& model);

/// Gives them the format; what has it stays as it is, and so does everything for "float".
void apply_base(const std::vector<BaseSeam>& seams, const std::string& format);

}  // namespace lethe
