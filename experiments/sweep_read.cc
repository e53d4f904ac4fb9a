#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/error.h"
#include "experiments/sweep_value.h"

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

/// Relative paths start at the sweep file; a leading ../shared is LETHE_SHARED where that is set.
std::string resolved(const Place& place, const std::string& path) {
  const char* shared = std::getenv("LETHE_SHARED");
  const size_t at = path.find("../shared/");
  if (shared != nullptr && at != std::string::npos) {
    return std::string(shared) + "/" + path.substr(at + std::string("../shared/").size());
  }
  const std::filesystem::path given(path);
  if (path.empty() || given.is_absolute()) return path;
  const auto beside = std::filesystem::path(place.path).parent_path() / given;
  return beside.lexically_normal().string();
}

std::vector<TextTaskSpec> text_tasks(const Place& place, const toml::array& tables) {
  std::vector<TextTaskSpec> tasks;
  std::map<std::string, int64_t> lines;  // by name
  for (const toml::node& node : tables) {
    const auto* table = node.as_table();
    if (table == nullptr)
      place.fail_at(line_of(node), "stream.task holds no table; write [[stream.task]]");
    only_known(
        place, *table, "[[stream.task]]",
        {"name", "file", "train", "validation", "test", "prompt", "response", "labels", "metric"});
    TextTaskSpec task;
    task.name = text_at(place, *table, "name", "");
    if (task.name.empty())
      place.fail_at(line_of(node), "a [[stream.task]] lacks 'name'; give it one");
    const auto [first, fresh] = lines.emplace(task.name, line_of(*table->get("name")));
    if (!fresh) {
      place.fail_at(line_of(*table->get("name")),
                    fmt::format("text task '{}' is there already, in line {}; give every task a "
                                "name of its own",
                                task.name, first->second));
    }
    task.file = resolved(place, text_at(place, *table, "file", ""));
    task.train = resolved(place, text_at(place, *table, "train", ""));
    task.validation = resolved(place, text_at(place, *table, "validation", ""));
    task.test = resolved(place, text_at(place, *table, "test", ""));
    task.prompt = text_at(place, *table, "prompt", "");
    task.response = text_at(place, *table, "response", task.response);
    task.metric = text_at(place, *table, "metric", task.metric);
    if (const toml::node* labels = table->get("labels")) {
      task.labels = grid_option(place, "labels", *labels).values;
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

void read_section(const Place& place, const toml::table& root, const std::string& section,
                  Grid& grid, std::string* name, int64_t* line, std::vector<TextTaskSpec>* texts) {
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
      *texts = text_tasks(place, *value.as_array());
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

std::vector<int64_t> seeds_at(const Place& place, const toml::node& node) {
  const GridOption option = grid_option(place, "seeds", node);
  try {
    return seeds_of(option);
  } catch (const Error& error) {
    place.fail_at(option.line, error.what());
  }
}

ExtraSeeds read_extra(const Place& place, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) place.fail_at(line_of(node), "extra holds no table; write [[extra]]");
  only_known(place, *table, "[[extra]]", {"seeds", "when", "methods"});
  ExtraSeeds extra;
  extra.line = line_of(node);
  const toml::node* seeds = table->get("seeds");
  if (seeds == nullptr) {
    place.fail_at(extra.line, "an [[extra]] lacks 'seeds'; write e.g. seeds = [7, 8]");
  }
  extra.seeds = seeds_at(place, *seeds);
  if (const toml::node* when = table->get("when")) {
    const auto* options = when->as_table();
    if (options == nullptr) {
      place.fail_at(line_of(*when), "'when' names no option; write e.g. when.scenario = \"task\"");
    }
    collect(place, *options, "", extra.when);
  }
  if (const toml::node* methods = table->get("methods")) {
    extra.methods = grid_option(place, "methods", *methods).values;
  }
  return extra;
}

}  // namespace

std::vector<int64_t> Sweep::all_seeds() const {
  std::vector<int64_t> all = seeds;
  for (const ExtraSeeds& more : extra) {
    for (const int64_t seed : more.seeds) {
      if (std::find(all.begin(), all.end(), seed) == all.end()) all.push_back(seed);
    }
  }
  return all;
}

Sweep parse_sweep(const std::string& text, const std::string& path) {
  const Place place{path};
  const toml::table root = parse_toml(text, path);
  only_known(place, root, "the sweep",
             {"name", "seeds", "extra", "stream", "model", "train", "tune", "method"});
  Sweep sweep;
  sweep.path = path;
  sweep.name = text_at(place, root, "name", std::filesystem::path(path).stem().string());
  if (const toml::node* seeds = root.get("seeds")) sweep.seeds = seeds_at(place, *seeds);
  if (const toml::node* extra = root.get("extra")) {
    if (!extra->is_array()) place.fail_at(line_of(*extra), "extra is no list; write [[extra]]");
    for (const toml::node& node : *extra->as_array()) {
      sweep.extra.push_back(read_extra(place, node));
    }
  }
  read_section(place, root, "stream", sweep.stream_options, &sweep.stream, &sweep.stream_line,
               &sweep.texts);
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
