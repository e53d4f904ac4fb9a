#include "experiments/sweep_value.h"

#include <charconv>
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
