// A trained model with its adapters in its weights, for `lethe export --merge`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/formats/peft_match.h"
#include "experiments/deploy.h"

namespace lethe {

/// Into what is merged: "float", the checkpoint's weights; "dequantised", what the codes of
/// training stand for; "requantised", the same quantised to NF4 once more and written in float;
/// "int8", "nf4", "nf4-dq", "fp4" and "fp4-dq", the same as that format's codes and scales. Without
/// `asked` it is as in training. Throws Error where there is no such base.
std::string merge_base(const Deployed& deployed, const std::string& asked);

/// Every name that merge_base() takes.
std::vector<std::string> merge_bases();

/// The model with everything merged into that base; dense, but for a base of codes the blocks'
/// weights, of which the products that transformers keeps in float are dense.
std::unique_ptr<Model> merged_model(const Deployed& deployed, const PeftFamily& family,
                                    const std::string& base);

}  // namespace lethe
