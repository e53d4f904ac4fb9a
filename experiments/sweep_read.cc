#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "experiments/sweep.h"

namespace lethe {
namespace {

int64_t line_of(const toml::node& node) { return static_cast<int64_t>(node.source().begin.line); }

/// The file under way, for messages and relative paths.
struct Place {
  std::string path;
  [[noreturn]] void fail_at(int64_t line, const std::string& what) const {
    fail("{}:{}: {}", path, line, what);
  }
};

std::string scalar(const Place& place, const std::string& key, const toml::node& node) {
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* value = node.as_integer()) return std::to_string(value->get());
  if (const auto* value = node.as_floating_point()) return number_text(value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  place.fail_at(line_of(node),
                fmt::format("'{}' holds a table or date; expected a number, true, false, "
                            "text, or a list of them",
                            key));
}

GridOption grid_option(const Place& place, const std::string& key, const toml::node& node) {
  GridOption option{{}, line_of(node)};
  if (const auto* list = node.as_array()) {
    for (const toml::node& value : *list) option.values.push_back(scalar(place, key, value));
    if (option.values.empty())
      place.fail_at(option.line, fmt::format("'{}' is an empty list; give a value", key));
  } else {
    option.values.push_back(scalar(place, key, node));
  }
  return option;
}

/// Keys of nested tables joined by dots: ewc.lambda = 3 and [method.ewc] lambda = 3 are one.
void collect(const Place& place, const toml::table& table, const std::string& prefix, Grid& into) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* nested = node.as_table()) {
      collect(place, *nested, name + ".", into);
    } else {
      into[name] = grid_option(place, name, node);
    }
  }
}

void only_known(const Place& place, const toml::table& table, const std::string& where,
                const std::vector<std::string>& known) {
  for (const auto& [key, node] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    place.fail_at(static_cast<int64_t>(key.source().begin.line),
                  fmt::format("unknown key '{}' in {}; known keys: {}", key.str(), where,
                              fmt::join(known, ", ")));
  }
}

std::string text_at(const Place& place, const toml::table& table, const std::string& key,
                    const std::string& fallback) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return fallback;
  const auto* value = node->as_string();
  if (value == nullptr)
    place.fail_at(line_of(*node), fmt::format("'{}' is no text; put it in quotes", key));
  return value->get();
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
  for (const auto& [key, value] : *table) {
    if (name != nullptr && key.str() == "name") {
      *name = scalar(place, section + ".name", value);
      *line = line_of(value);
    } else if (texts != nullptr && key.str() == "task" && value.is_array()) {
      *texts = text_tasks(place, *value.as_array());
    } else {
      GridOption option = grid_option(place, section + "." + std::string(key.str()), value);
      if (key.str() == "data") option.values = {resolved(place, option.values.at(0))};
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
      method.name = option.values.at(0);
      method.line = option.line;
    } else if (key == "label") {
      method.label = option.values.at(0);
    } else if (key.rfind("when.", 0) == 0) {
      method.when[key.substr(5)] = option;
    } else {
      method.options[key] = option;
    }
  }
  if (method.name.empty()) {
    place.fail_at(method.line, "a [[method]] lacks 'name'; write e.g. name = \"ewc\"");
  }
  return method;
}

std::vector<int64_t> read_seeds(const Place& place, const GridOption& option) {
  std::vector<int64_t> seeds;
  for (const std::string& value : option.values) {
    try {
      seeds.push_back(std::stoll(value));
    } catch (const std::exception&) {
      place.fail_at(option.line, fmt::format("seed '{}' is no whole number", value));
    }
  }
  return seeds;
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

void override_with(Sweep& sweep, const Place& place, const std::string& given) {
  const size_t equals = given.find('=');
  if (equals == std::string::npos) fail("--set '{}' has no '='; write key=value", given);
  const std::string key = given.substr(0, equals);
  const GridOption option{split(given.substr(equals + 1), ','), 0};
  const size_t dot = key.find('.');
  const std::string section = key.substr(0, dot);
  const std::string rest = dot == std::string::npos ? "" : key.substr(dot + 1);
  if (key == "seeds") {
    sweep.seeds = read_seeds(place, option);
  } else if (section == "train" && !rest.empty()) {
    sweep.training[rest] = option;
    for (SweepMethod& method : sweep.methods) method.options.erase("train." + rest);
  } else if (key == "stream.data") {
    sweep.stream_options["data"] = option;
  } else if (section == "stream" && !rest.empty()) {
    sweep.stream_options[rest] = option;
  } else if (section == "model" && !rest.empty()) {
    sweep.model_options[rest] = option;
  } else if (section == "method" && rest.find('.') != std::string::npos) {
    const std::string strategy = rest.substr(0, rest.find('.'));
    for (SweepMethod& method : sweep.methods) {
      const auto names = split(method.name, '+');
      if (std::find(names.begin(), names.end(), strategy) != names.end())
        method.options[rest] = option;
    }
  } else {
    fail(
        "--set '{}': unknown key '{}'; expected seeds, train.OPTION, stream.OPTION, model.OPTION "
        "or "
        "method.STRATEGY.OPTION",
        given, key);
  }
}

toml::table parsed(const std::string& text, const std::string& path) {
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    fail("{}:{}:{}: {}", path, at.line, at.column, error.description());
  }
}

}  // namespace

Sweep parse_sweep(const std::string& text, const std::string& path,
                  const std::vector<std::string>& overrides) {
  const Place place{path};
  const toml::table root = parsed(text, path);
  only_known(place, root, "the sweep", {"name", "seeds", "stream", "model", "train", "method"});
  Sweep sweep;
  sweep.path = path;
  sweep.name = text_at(place, root, "name", std::filesystem::path(path).stem().string());
  if (const toml::node* seeds = root.get("seeds")) {
    sweep.seeds = read_seeds(place, grid_option(place, "seeds", *seeds));
  }
  read_section(place, root, "stream", sweep.stream_options, &sweep.stream, &sweep.stream_line,
               &sweep.texts);
  read_section(place, root, "model", sweep.model_options, &sweep.model, &sweep.model_line, nullptr);
  read_section(place, root, "train", sweep.training, nullptr, nullptr, nullptr);
  const toml::node* methods = root.get("method");
  if (methods == nullptr || !methods->is_array()) {
    fail("{}: no method; add one [[method]] table a method, e.g. [[method]] name = \"finetune\"",
         path);
  }
  for (const toml::node& node : *methods->as_array())
    sweep.methods.push_back(read_method(place, node));
  for (const std::string& given : overrides) override_with(sweep, place, given);
  return sweep;
}

Sweep read_sweep(const std::string& path, const std::vector<std::string>& overrides) {
  std::ifstream file(path);
  if (!file) fail("sweep file {} can't be read; give the path of a TOML file", path);
  std::stringstream text;
  text << file.rdbuf();
  return parse_sweep(text.str(), path, overrides);
}

}  // namespace lethe
