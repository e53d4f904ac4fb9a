#include "analysis/toml_entry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "analysis/comparison.h"
#include "core/error.h"

namespace lethe {
namespace {

// A probe's keys are named after its own metric: "base_accuracy_drop".
bool is_probe_key(const std::string& key) {
  const std::string last = key.substr(key.rfind('_') + 1);
  return key.starts_with("base_") && (last == "before" || last == "after" || last == "drop");
}

}  // namespace

toml::table toml_document(const std::string& text, const std::string& path) {
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    fail("{}:{}:{}: {}", path, at.line, at.column, error.description());
  }
}

std::string toml_file(const std::string& what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    fail("{} {} can't be read; give the path of a TOML file", what, path);
  }
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string TomlEntry::place() const { return fmt::format("{}:{}", path_, line()); }

std::string TomlEntry::place(const std::string& key) const {
  return fmt::format("{}:{}", path_, node(key).source().begin.line);
}

void TomlEntry::allow(const std::vector<std::string>& known) const {
  for (const auto& [key, node] : table_) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    fail("{}:{}: unknown key '{}' in {}; known keys: {}", path_, key.source().begin.line, name,
         name_, fmt::join(known, ", "));
  }
}

const toml::node& TomlEntry::node(const std::string& key) const {
  const toml::node* found = table_.get(key);
  if (found == nullptr) fail("{}: {} lacks the key '{}'", place(), name_, key);
  return *found;
}

std::string TomlEntry::text(const std::string& key) const {
  const auto value = node(key).value<std::string>();
  if (!value || value->empty()) fail_type(key, "text");
  return *value;
}

std::optional<std::string> TomlEntry::optional_text(const std::string& key) const {
  return table_.contains(key) ? std::optional(text(key)) : std::nullopt;
}

double TomlEntry::number(const std::string& key) const {
  const toml::node& found = node(key);
  if (!found.is_number()) fail_type(key, "a number");
  const double value = *found.value<double>();
  if (!std::isfinite(value)) fail_type(key, "a finite number");
  return value;
}

double TomlEntry::allowance(const std::string& key) const {
  const double value = number(key);
  if (value < 0) fail_type(key, "a number >= 0");
  return value;
}

int64_t TomlEntry::count(const std::string& key) const {
  const auto* value = node(key).as_integer();
  if (value == nullptr || value->get() < 1) fail_type(key, "a whole number >= 1");
  return value->get();
}

std::vector<std::string> TomlEntry::texts(const std::string& key) const {
  const auto* list = node(key).as_array();
  std::vector<std::string> values;
  if (list == nullptr) fail_type(key, "a list of texts");
  for (const toml::node& each : *list) {
    const auto* value = each.as_string();
    if (value == nullptr) fail_type(key, "a list of texts");
    values.push_back(value->get());
  }
  return values;
}

std::string TomlEntry::option(const std::string& key) const {
  const toml::node& found = node(key);
  if (const auto* value = found.as_string()) return value->get();
  if (const auto* value = found.as_integer()) return std::to_string(value->get());
  if (const auto* value = found.as_floating_point()) return number_text(value->get());
  if (const auto* value = found.as_boolean()) return value->get() ? "true" : "false";
  fail_type(key, "a number, true, false or text");
}

std::string TomlEntry::metric(const std::string& key) const {
  const std::string value = text(key);
  const std::string general = value.substr(0, value.find(':'));
  std::vector<std::string> known;
  for (const auto& doc : metric_docs()) known.push_back(doc.key);
  if (!is_probe_key(general) && std::find(known.begin(), known.end(), general) == known.end()) {
    fail("{}: unknown metric '{}'; known metrics: {}", place(key), value, fmt::join(known, ", "));
  }
  return value;
}

std::vector<TomlEntry> TomlEntry::tables(const std::string& key, const std::string& name) const {
  std::vector<TomlEntry> entries;
  const toml::node* found = table_.get(key);
  if (found == nullptr) return entries;
  const auto* list = found->as_array();
  if (list == nullptr || !found->is_array_of_tables()) fail_type(key, "an array of tables");
  for (const toml::node& each : *list) entries.emplace_back(*each.as_table(), name, path_);
  return entries;
}

void TomlEntry::fail_type(const std::string& key, const std::string& expected) const {
  fail("{}: '{}' of {} is not {}", place(key), key, name_, expected);
}

}  // namespace lethe
