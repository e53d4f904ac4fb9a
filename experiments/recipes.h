// Published tasks by name: sweeps/recipes/*.toml, embedded at build time.
//
// A recipe file holds [[task]] tables with the keys of [[stream.task]], their files relative to a
// data folder, and perhaps [orders] with lists of task names.
#pragma once

#include <string>
#include <vector>

#include "experiments/recipe_files.h"
#include "experiments/sweep_value.h"

namespace lethe {

/// The tables of "FILE" (its only task), "FILE/TASK" or "FILE/ORDER", each with what the recipe
/// says. Throws Error, without a place, listing what there is.
std::vector<toml::table> recipe_tasks(const std::string& recipe);

/// The tables under [[stream.task]] and [[stream.probe]] as specs. `what` is "task" or "probe".
/// `recipe` takes the tasks of a recipe, with files in the folder `data`; keys beside it go before
/// the recipe's. Throws Error with FILE:LINE for what is wrong.
std::vector<TextTaskSpec> text_specs(const Place& place, const toml::array& tables,
                                     const std::string& what);

}  // namespace lethe
