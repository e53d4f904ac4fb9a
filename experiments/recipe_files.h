// The recipe files under sweeps/recipes, embedded at build time.
#pragma once

#include <map>
#include <string>

namespace lethe {

/// The text of every file by its name without ".toml".
const std::map<std::string, std::string>& recipe_files();

}  // namespace lethe
