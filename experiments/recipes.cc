#include "experiments/recipes.h"

#include "core/error.h"

namespace lethe {
namespace {

std::vector<std::string> names_of(const toml::array& tasks) {
  std::vector<std::string> names;
  for (const toml::node& node : tasks) {
    names.push_back(node.as_table()->get("name")->as_string()->get());
  }
  return names;
}

}  // namespace

std::vector<toml::table> recipe_tasks(const std::string& recipe) {
  const size_t slash = recipe.find('/');
  const std::string file = recipe.substr(0, slash);
  const auto found = recipe_files().find(file);
  if (found == recipe_files().end()) {
    std::vector<std::string> known;
    for (const auto& [name, text] : recipe_files()) known.push_back(name);
    fail("unknown recipe '{}'; known recipes: {}", file, fmt::join(known, ", "));
  }
  const toml::table root = parse_toml(found->second, "recipes/" + file + ".toml");
  const toml::array& tasks = *root.get("task")->as_array();
  const std::vector<std::string> names = names_of(tasks);
  const toml::table* orders = root.get("orders") ? root.get("orders")->as_table() : nullptr;
  std::vector<std::string> wanted;
  if (slash != std::string::npos) {
    wanted = {recipe.substr(slash + 1)};
    if (orders != nullptr && orders->contains(wanted[0])) {
      wanted = grid_value(wanted[0], *orders->get(wanted[0])).values;
    }
  } else if (names.size() == 1) {
    wanted = names;
  }
  std::vector<toml::table> chosen;
  for (const std::string& name : wanted) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) chosen.push_back(*tasks.get(i)->as_table());
    }
  }
  if (!chosen.empty()) return chosen;
  std::vector<std::string> known = names;
  if (orders != nullptr) {
    for (const auto& [name, list] : *orders) known.emplace_back(name.str());
  }
  fail("recipe '{}' names no task or order of {}; write {}/NAME with one of: {}", recipe, file,
       file, fmt::join(known, ", "));
}

}  // namespace lethe
