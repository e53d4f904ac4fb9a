// Methods from shared objects: the same file as in methods/, built outside the tree.
//
//   extern "C" const lethe::Plugin lethe_plugin = {lethe::kPluginAbi, LETHE_PLUGIN_BUILD_ID,
//   add_mine};
#pragma once

#include <string>

#include "core/plugin_id.h"
#include "core/registry.h"

namespace lethe {

/// Loads `path` (dlopen with RTLD_NOW | RTLD_LOCAL, never closed), checks ABI and build id, and
/// adds its strategies, whose entries name the file's SHA-256. Throws Error naming the file and, on
/// a mismatch, both ids and what to do.
void load_plugin(const std::string& path, StrategyRegistry& registry);

}  // namespace lethe
