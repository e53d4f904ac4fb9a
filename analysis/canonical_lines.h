// The lines of a trial's canonical text. No libtorch.
#pragma once

#include <string>
#include <string_view>

#include "core/options.h"

namespace lethe {

/// The options of the lines that begin with `prefix`, such as "train.", by their names without it.
OptionMap canonical_options(const std::string& canonical_text, std::string_view prefix);

}  // namespace lethe
