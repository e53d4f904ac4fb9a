// The keys of a sweep file that only `lethe tune` reads.
#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "experiments/sweep_value.h"

namespace lethe {
namespace {

double end_of(const Place& place, const toml::table& range, const std::string& name,
              const std::string& key) {
  const toml::node* node = range.get(key);
  if (node == nullptr) {
    place.fail_at(line_of(range), fmt::format("the range '{}' lacks '{}'; write e.g. "
                                              "{{ from = 1e-5, to = 1e-2, scale = \"log\" }}",
                                              name, key));
  }
  const auto value = node->value<double>();
  if (!node->is_number() || !value || !std::isfinite(*value)) {
    place.fail_at(line_of(*node), fmt::format("'{}' of the range '{}' is no number", key, name));
  }
  return *value;
}

SearchSpace range_of(const Place& place, const toml::table& table, const std::string& name) {
  only_known(place, table, "the range '" + name + "'", {"from", "to", "scale"});
  SearchSpace space;
  space.line = line_of(table);
  space.from = end_of(place, table, name, "from");
  space.to = end_of(place, table, name, "to");
  const std::string scale = text_at(place, table, "scale", "linear");
  if (scale != "linear" && scale != "log") {
    place.fail_at(space.line, fmt::format("scale '{}' of the range '{}' is unknown; expected "
                                          "linear or log",
                                          scale, name));
  }
  space.log = scale == "log";
  space.whole = table.get("from")->is_integer() && table.get("to")->is_integer();
  if (!(space.from < space.to)) {
    place.fail_at(space.line, fmt::format("the range '{}' goes from {} to {}; 'from' must be below "
                                          "'to'",
                                          name, space.from, space.to));
  }
  if (space.log && space.from <= 0) {
    place.fail_at(space.line, fmt::format("the range '{}' begins at {}; a log scale needs numbers "
                                          "above 0",
                                          name, space.from));
  }
  return space;
}

SearchSpace list_of(const Place& place, const std::string& name, const toml::node& node) {
  const GridOption option = grid_option(place, name, node);
  std::set<std::string> seen;
  for (const std::string& value : option.values) {
    if (seen.insert(value).second) continue;
    place.fail_at(option.line, fmt::format("'{}' has {} twice; name it once", name, value));
  }
  SearchSpace space;
  space.values = option.values;
  space.line = option.line;
  return space;
}

void collect(const Place& place, const toml::table& table, const std::string& prefix,
             SearchSpaces& into) {
  if (table.empty()) {
    place.fail_at(line_of(table), fmt::format("'tune{}' is empty; write e.g. "
                                              "tune.train.lr = [1e-4, 1e-3]",
                                              prefix.empty() ? "" : "." + prefix));
  }
  for (const auto& [key, node] : table) {
    const std::string option = (prefix.empty() ? "" : prefix + ".") + std::string(key.str());
    const std::string name = "tune." + option;
    const auto* nested = node.as_table();
    if (nested == nullptr) {
      into[option] = list_of(place, name, node);
    } else if (nested->contains("from") || nested->contains("to")) {
      into[option] = range_of(place, *nested, name);
    } else {
      collect(place, *nested, option, into);
    }
  }
}

int64_t whole_number(const Place& place, const toml::node& node, const std::string& name) {
  const auto* value = node.as_integer();
  if (value == nullptr) {
    place.fail_at(line_of(node), fmt::format("'{}' is no whole number", name));
  }
  return value->get();
}

}  // namespace

SearchSpaces search_spaces(const Place& place, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) {
    place.fail_at(line_of(node),
                  "'tune' of a method names no option; write e.g. tune.train.lr = [1e-4, 1e-3]");
  }
  SearchSpaces spaces;
  collect(place, *table, "", spaces);
  return spaces;
}

TuneSection tune_section(const Place& place, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) place.fail_at(line_of(node), "'tune' is no table; write [tune]");
  only_known(place, *table, "[tune]", {"search", "seed", "budget", "objective"});
  TuneSection section;
  section.search = text_at(place, *table, "search", "");
  section.objective = text_at(place, *table, "objective", "");
  if (const toml::node* objective = table->get("objective")) {
    section.objective_line = line_of(*objective);
  }
  if (const toml::node* seed = table->get("seed")) {
    section.seed = whole_number(place, *seed, "tune.seed");
    section.seed_line = line_of(*seed);
  }
  if (const toml::node* budget = table->get("budget")) {
    section.budget = whole_number(place, *budget, "tune.budget");
    if (*section.budget < 1) {
      place.fail_at(line_of(*budget),
                    fmt::format("'tune.budget' is {}; expected 1 or more", *section.budget));
    }
  }
  if (const toml::node* search = table->get("search");
      search != nullptr && section.search != "grid" && section.search != "random") {
    place.fail_at(line_of(*search),
                  fmt::format("'tune.search' is '{}'; expected grid or random", section.search));
  }
  return section;
}

}  // namespace lethe
