#include "core/plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "core/digest.h"
#include "core/error.h"

namespace lethe {

void load_plugin(const std::string& path, StrategyRegistry& registry) {
  if (!std::filesystem::exists(path))
    fail("plugin {} is not there; give the path of a shared object", path);
  const std::string absolute = std::filesystem::absolute(path).string();
  // Never closed: autograd nodes and registry entries may outlive any scope.
  void* handle = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) fail("plugin {} can't be loaded: {}", path, dlerror());
  const auto* plugin = static_cast<const Plugin*>(dlsym(handle, "lethe_plugin"));
  if (plugin == nullptr) {
    fail(
        "plugin {} exports no symbol 'lethe_plugin'; define extern \"C\" const lethe::Plugin "
        "lethe_plugin as docs/plugins.md shows",
        path);
  }
  if (plugin->abi != kPluginAbi) {
    fail("plugin {} has plugin ABI {}, this Lethe has {}; rebuild the plugin against this Lethe",
         path, plugin->abi, kPluginAbi);
  }
  if (std::string(plugin->build_id) != LETHE_PLUGIN_BUILD_ID) {
    fail("plugin {} was built for {}, this Lethe is {}; rebuild the plugin against this Lethe",
         path, plugin->build_id, LETHE_PLUGIN_BUILD_ID);
  }
  // A changed plugin is another method, though its name and options stay: its trials run again.
  registry.come_from(sha256_file(absolute));
  try {
    plugin->add(registry);
  } catch (...) {
    registry.come_from("");
    throw;
  }
  registry.come_from("");
}

}  // namespace lethe
