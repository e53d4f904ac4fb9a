#include "experiments/sweep_value.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/error.h"

namespace lethe {
namespace {

std::string scalar(const std::string& key, const toml::node& node) {
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* value = node.as_integer()) return std::to_string(value->get());
  if (const auto* value = node.as_floating_point()) return number_text(value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  fail("'{}' holds a table or date; expected a number, true, false, text, or a list of them", key);
}

}  // namespace

void Place::fail_at(int64_t line, const std::string& what) const {
  fail("{}:{}: {}", path, line, what);
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

GridOption grid_option(const Place& place, const std::string& key, const toml::node& node) {
  try {
    return grid_value(key, node);
  } catch (const Error& error) {
    place.fail_at(line_of(node), error.what());
  }
}

toml::table parse_toml(const std::string& text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    fail("{}:{}:{}: {}", name, at.line, at.column, error.description());
  }
}

int64_t line_of(const toml::node& node) { return static_cast<int64_t>(node.source().begin.line); }

GridOption grid_value(const std::string& key, const toml::node& node) {
  GridOption option{{}, line_of(node)};
  if (const auto* list = node.as_array()) {
    for (const toml::node& value : *list) option.values.push_back(scalar(key, value));
    if (option.values.empty()) fail("'{}' is an empty list; give a value", key);
  } else {
    option.values.push_back(scalar(key, node));
  }
  return option;
}

std::vector<int64_t> seeds_of(const GridOption& option) {
  std::vector<int64_t> seeds;
  for (const std::string& value : option.values) {
    int64_t seed = 0;
    const char* const end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, seed);
    if (error != std::errc() || rest != end) fail("seed '{}' is no whole number", value);
    seeds.push_back(seed);
  }
  return seeds;
}

std::vector<std::string> split_at(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

}  // namespace lethe
