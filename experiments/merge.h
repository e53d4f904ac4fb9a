// `lethe merge`: the trials of several machines in one store.
#pragma once

#include <string>
#include <vector>

namespace lethe {

struct MergeArguments {
  std::string db = "lethe.db";      ///< the store that gets the trials; made where there is none
  std::vector<std::string> stores;  ///< those that have them; not changed
};

/// Prints what came of each store. Throws Error for a store that is not there, is another schema or
/// is `db` itself, before anything is written.
int merge_command(const MergeArguments& arguments);

}  // namespace lethe
