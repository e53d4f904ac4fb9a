// Plugins built by this tree (tests/plugins): one that fits, and some built for another Lethe.
#include "tests/catch.h"
// After Catch.
#include "core/contract.h"
#include "core/digest.h"
#include "core/error.h"
#include "core/plugin.h"
#include "methods/methods.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

const std::string kBinaries = LETHE_BINARY_DIR, kSources = LETHE_SOURCE_DIR;
const std::string kFolder = kBinaries + "/plugins/";

class Nothing : public Strategy {
 public:
  struct Options {
    template <class Visit>
    void fields(Visit&&) {}
  };
  explicit Nothing(const Options&) {}
};

StrategyRegistry with_builtin() {
  StrategyRegistry registry;
  add_builtin_methods(registry);
  return registry;
}

std::string refusal(const std::string& path) {
  StrategyRegistry registry = with_builtin();
  const size_t before = registry.entries().size();
  try {
    load_plugin(path, registry);
  } catch (const Error& error) {
    REQUIRE(registry.entries().size() == before);
    return error.what();
  }
  return "loaded";
}

}  // namespace

TEST_CASE("a plugin's method stands beside the built-in ones and composes with them") {
  StrategyRegistry registry = with_builtin();
  load_plugin(kFolder + "tether.so", registry);
  CHECK(registry.at("tether").source == "Kirkpatrick et al. 2017, arXiv:1612.00796, fig. 2A");
  const MethodSpec spec = parse_method(registry, "tether+lora", {{"tether.lambda", "3"}});
  REQUIRE(spec.parts.size() == 2);
  CHECK(spec.parts[0].name == "lora");
  CHECK(spec.parts[1].name == "tether");
  CHECK(spec.parts[1].options == OptionMap{{"lambda", "3"}});
}

TEST_CASE(
    "a trial names the file of a plugin's strategy by digest, and no file for built-in ones") {
  StrategyRegistry registry = with_builtin();
  load_plugin(kFolder + "tether.so", registry);
  const std::string digest = sha256_file(kFolder + "tether.so");
  CHECK(registry.at("tether").plugin == digest);
  CHECK(registry.at("ewc").plugin.empty());
  registry.add_alias({"tethered", "tether and ewc", {{"tether", {}}, {"ewc", {}}}, {}});
  TrialSpec spec;
  spec.method = parse_method(registry, "tethered", {}).parts;
  const std::string text = canonical_text(spec);
  CHECK_THAT(text, Contains("\nplugin.tether = " + digest + "\n"));
  CHECK_THAT(text, !Contains("plugin.ewc"));
  spec.method[1].plugin = "another";
  CHECK(canonical_text(spec) != text);
}

TEST_CASE("what is added after a plugin is not of the plugin, even where it was refused") {
  StrategyRegistry registry = with_builtin();
  const auto add = [&](const std::string& name) {
    StrategyEntry entry;
    entry.name = name;
    registry.add<Nothing>(std::move(entry));
    return registry.at(name).plugin;
  };
  load_plugin(kFolder + "tether.so", registry);
  CHECK(add("mine").empty());
  CHECK_THROWS_AS(load_plugin(kFolder + "tether.so", registry), Error);
  CHECK(add("other").empty());
}

TEST_CASE("the contract suite holds for a plugin's method") {
  StrategyRegistry registry = with_builtin();
  load_plugin(kFolder + "tether.so", registry);
  CHECK(contract_violations(registry, {{"tether", {}}}) == std::vector<std::string>{});
}

TEST_CASE("an option out of range in a plugin is an error of the host's own type") {
  StrategyRegistry registry = with_builtin();
  load_plugin(kFolder + "tether.so", registry);
  CHECK_THROWS_AS(registry.at("tether").make({{"lambda", "-1"}}), Error);
  CHECK_THROWS_WITH(registry.at("tether").make({{"lamda", "1"}}),
                    "unknown option 'lamda' of tether; known options: lambda");
}

TEST_CASE("a plugin built for another Lethe is refused with both build ids") {
  const std::string path = kFolder + "tether_wrong_build.so";
  CHECK(refusal(path) == "plugin " + path +
                             " was built for libtorch 1.0.0, GNU 4, cxx11 ABI, headers "
                             "0000000000000000, this Lethe is " LETHE_PLUGIN_BUILD_ID
                             "; rebuild the plugin against this Lethe");
}

TEST_CASE("a plugin of another plugin ABI is refused with both") {
  const std::string path = kFolder + "tether_wrong_abi.so";
  CHECK(refusal(path) == fmt::format("plugin {} has plugin ABI 0, this Lethe has {}; rebuild the "
                                     "plugin against this Lethe",
                                     path, kPluginAbi));
}

TEST_CASE("a plugin whose name is taken is refused") {
  StrategyRegistry registry = with_builtin();
  load_plugin(kFolder + "tether.so", registry);
  CHECK_THROWS_WITH(load_plugin(kFolder + "tether.so", registry), Contains("'tether'"));
}

TEST_CASE("a file that is no plugin is refused by name") {
  CHECK(refusal("/nowhere/tether.so") ==
        "plugin /nowhere/tether.so is not there; give the path of a shared object");
  const std::string base = kBinaries + "/liblethe_base.so";
  CHECK(refusal(base) == "plugin " + base +
                             " exports no symbol 'lethe_plugin'; define extern \"C\" const "
                             "lethe::Plugin lethe_plugin as docs/plugins.md shows");
  const std::string text = kSources + "/CMakeLists.txt";
  CHECK_THAT(refusal(text),
             Contains("plugin " + text + " can't be loaded: ") && Contains("invalid ELF header"));
}
