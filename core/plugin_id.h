// What a plugin exports. The build id names libtorch, compiler major, C++ ABI and the core headers.
#pragma once

namespace lethe {

class StrategyRegistry;

constexpr int kPluginAbi = 1;

/// The one data symbol of a plugin, `extern "C" const lethe::Plugin lethe_plugin`.
struct Plugin {
  int abi;
  const char* build_id;  ///< LETHE_PLUGIN_BUILD_ID, which lethe::core's CMake target defines
  void (*add)(StrategyRegistry&);
};

}  // namespace lethe
