#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "experiments/recipes.h"

namespace lethe {
namespace {

/// For what a list would make no grid of.
std::string only_value(const Place& place, const std::string& key, const GridOption& option) {
  if (option.values.size() != 1) {
    place.fail_at(option.line, fmt::format("'{}' takes one value, not a list", key));
  }
  return option.values[0];
}

/// Keys of nested tables joined by dots: ewc.lambda = 3 and [method.ewc] lambda = 3 are one.
void collect(const Place& place, const toml::table& table, const std::string& prefix, Grid& into) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (name == "tune") continue;  // a search is no trial
    if (const auto* nested = node.as_table()) {
      collect(place, *nested, name + ".", into);
    } else {
      into[name] = grid_option(place, name, node);
    }
  }
}

void read_section(const Place& place, const toml::table& root, const std::string& section,
                  Grid& grid, std::string* name, int64_t* line, Sweep* texts) {
  const toml::node* node = root.get(section);
  if (node == nullptr) return;
  const auto* table = node->as_table();
  if (table == nullptr)
    place.fail_at(line_of(*node), fmt::format("'{}' is no table; write [{}]", section, section));
  if (line != nullptr) *line = line_of(*table);
  for (const auto& [key, value] : *table) {
    if (name != nullptr && key.str() == "name") {
      const std::string full = section + ".name";
      *name = only_value(place, full, grid_option(place, full, value));
      *line = line_of(value);
    } else if (texts != nullptr && key.str() == "task" && value.is_array()) {
      texts->texts = text_specs(place, *value.as_array(), "task");
    } else if (texts != nullptr && key.str() == "probe" && value.is_array()) {
      texts->probes = text_specs(place, *value.as_array(), "probe");
    } else {
      GridOption option = grid_option(place, section + "." + std::string(key.str()), value);
      if (key.str() == "data") {
        option.values = {resolved(place, only_value(place, section + ".data", option))};
      }
      grid[std::string(key.str())] = std::move(option);
    }
  }
}

SweepMethod read_method(const Place& place, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) place.fail_at(line_of(node), "method holds no table; write [[method]]");
  SweepMethod method;
  method.line = line_of(node);
  Grid all;
  collect(place, *table, "", all);
  for (auto& [key, option] : all) {
    if (key == "name") {
      method.name = only_value(place, key, option);
      method.line = option.line;
    } else if (key == "label") {
      method.label = only_value(place, key, option);
    } else if (key.rfind("when.", 0) == 0) {
      method.when[key.substr(5)] = option;
    } else {
      method.options[key] = option;
    }
  }
  if (const toml::node* tune = table->get("tune")) method.tune = search_spaces(place, *tune);
  if (method.name.empty()) {
    place.fail_at(method.line, "a [[method]] lacks 'name'; write e.g. name = \"ewc\"");
  }
  return method;
}

}  // namespace

Sweep parse_sweep(const std::string& text, const std::string& path) {
  const Place place{path};
  const toml::table root = parse_toml(text, path);
  only_known(place, root, "the sweep",
             {"name", "seeds", "stream", "model", "train", "tune", "method"});
  Sweep sweep;
  sweep.path = path;
  sweep.name = text_at(place, root, "name", std::filesystem::path(path).stem().string());
  if (const toml::node* seeds = root.get("seeds")) {
    const GridOption option = grid_option(place, "seeds", *seeds);
    try {
      sweep.seeds = seeds_of(option);
    } catch (const Error& error) {
      place.fail_at(option.line, error.what());
    }
  }
  read_section(place, root, "stream", sweep.stream_options, &sweep.stream, &sweep.stream_line,
               &sweep);
  read_section(place, root, "model", sweep.model_options, &sweep.model, &sweep.model_line, nullptr);
  read_section(place, root, "train", sweep.training, nullptr, nullptr, nullptr);
  if (const toml::node* tune = root.get("tune")) sweep.tune = tune_section(place, *tune);
  const toml::node* methods = root.get("method");
  if (methods == nullptr || !methods->is_array() || methods->as_array()->empty()) {
    fail("{}: no method; add one [[method]] table a method, e.g. [[method]] name = \"finetune\"",
         path);
  }
  for (const toml::node& node : *methods->as_array())
    sweep.methods.push_back(read_method(place, node));
  return sweep;
}

Sweep read_sweep(const std::string& path) {
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path))
    fail("sweep file {} can't be read; give the path of a TOML file", path);
  std::stringstream text;
  text << file.rdbuf();
  return parse_sweep(text.str(), path);
}

}  // namespace lethe
