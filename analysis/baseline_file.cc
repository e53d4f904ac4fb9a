// Reading and writing of baseline files.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "analysis/baseline.h"
#include "analysis/relation.h"
#include "core/error.h"

namespace lethe {
namespace {

using Keys = std::vector<std::string>;

// A probe's keys are named after its own metric: "base_accuracy_drop".
bool is_probe_key(const std::string& key) {
  const std::string last = key.substr(key.rfind('_') + 1);
  return key.starts_with("base_") && (last == "before" || last == "after" || last == "drop");
}

// One entry of the file with its place, for messages.
class Entry {
 public:
  Entry(const toml::table& table, std::string name, const std::string& path)
      : table_(table), name_(std::move(name)), path_(path) {}

  int64_t line() const { return static_cast<int64_t>(table_.source().begin.line); }
  std::string place() const { return fmt::format("{}:{}", path_, line()); }

  void allow(const Keys& known) const {
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      fail("{}:{}: unknown key '{}' in [[{}]]; known keys: {}", path_, node.source().begin.line,
           name, name_, fmt::join(known, ", "));
    }
  }

  const toml::node& node(const std::string& key) const {
    const toml::node* found = table_.get(key);
    if (found == nullptr) fail("{}: [[{}]] lacks the key '{}'", place(), name_, key);
    return *found;
  }

  std::string text(const std::string& key) const {
    const auto value = node(key).value<std::string>();
    if (!value || value->empty()) fail_type(key, "text");
    return *value;
  }

  double number(const std::string& key) const {
    const toml::node& found = node(key);
    if (!found.is_number()) fail_type(key, "a number");
    const double value = *found.value<double>();
    if (!std::isfinite(value)) fail_type(key, "a finite number");
    return value;
  }

  double allowance(const std::string& key) const {
    const double value = number(key);
    if (value < 0) fail_type(key, "a number >= 0");
    return value;
  }

  std::optional<std::string> optional_text(const std::string& key) const {
    return table_.contains(key) ? std::optional(text(key)) : std::nullopt;
  }

  bool has(const std::string& key) const { return table_.contains(key); }

  std::string metric() const {
    const std::string key = text("metric");
    const std::string general = key.substr(0, key.find(':'));
    Keys known;
    for (const auto& doc : metric_docs()) known.push_back(doc.key);
    if (!is_probe_key(general) && std::find(known.begin(), known.end(), general) == known.end()) {
      fail("{}:{}: unknown metric '{}'; known metrics: {}", path_,
           node("metric").source().begin.line, key, fmt::join(known, ", "));
    }
    return key;
  }

 private:
  [[noreturn]] void fail_type(const std::string& key, const std::string& expected) const {
    fail("{}:{}: '{}' of [[{}]] is not {}", path_, node(key).source().begin.line, key, name_,
         expected);
  }

  const toml::table& table_;
  std::string name_, path_;
};

// Bytes before a place of a text; TOML++ counts columns in code points, from 1.
size_t offset_of(const std::string& text, const toml::source_position& place) {
  size_t offset = 0;
  for (toml::source_index line = 1; line < place.line; ++line) offset = text.find('\n', offset) + 1;
  for (toml::source_index column = 1; column < place.column; ++column) {
    do {
      ++offset;
    } while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80);
  }
  return offset;
}

MetricBound parse_bound(const Entry& entry, const std::string& text) {
  entry.allow({"stream", "model", "method", "metric", "value", "allowed_fall"});
  MetricBound bound;
  bound.stream = entry.text("stream");
  bound.model = entry.optional_text("model");
  bound.method = entry.text("method");
  bound.metric = entry.metric();
  bound.value = entry.number("value");
  bound.allowed_fall = entry.allowance("allowed_fall");
  bound.line = entry.line();
  bound.value_begin = offset_of(text, entry.node("value").source().begin);
  bound.value_end = text.find_first_of(" \t\r\n#,}", bound.value_begin);
  bound.value_end = std::min(bound.value_end, text.size());
  return bound;
}

// The value that the file's text has at a place.
double value_at(const Baseline& baseline, size_t begin) {
  for (const MetricBound& bound : baseline.metrics) {
    if (bound.value_begin == begin) return bound.value;
  }
  fail("baseline {} has no value at byte {}; read it again", baseline.path, begin);
}

Relation parse_relation(const Entry& entry) {
  entry.allow({"stream", "model", "metric", "expression", "margin"});
  Relation relation;
  relation.stream = entry.text("stream");
  relation.model = entry.optional_text("model");
  relation.metric = entry.metric();
  relation.expression = entry.text("expression");
  try {
    parse_chain(relation.expression);
  } catch (const Error& error) {
    fail("{}: {}", entry.place(), error.what());
  }
  if (entry.has("margin")) relation.margin = entry.allowance("margin");
  relation.line = entry.line();
  return relation;
}

}  // namespace

Baseline parse_baseline(const std::string& text, const std::string& path) {
  Baseline baseline{path, text, {}, {}};
  toml::table root;
  try {
    root = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    fail("{}:{}:{}: {}", path, at.line, at.column, error.description());
  }
  for (const auto& [key, node] : root) {
    const bool known = key.str() == "metric" || key.str() == "relation";
    if (!known || !node.is_array_of_tables()) {
      fail("{}:{}: unknown entry '{}'; a baseline holds [[metric]] and [[relation]] tables", path,
           node.source().begin.line, key.str());
    }
    for (const toml::node& each : *node.as_array()) {
      const Entry entry(*each.as_table(), std::string(key.str()), path);
      if (key.str() == "metric") {
        baseline.metrics.push_back(parse_bound(entry, text));
      } else {
        baseline.relations.push_back(parse_relation(entry));
      }
    }
  }
  return baseline;
}

Baseline read_baseline(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("baseline {} can't be read; give the path of a TOML file", path);
  std::stringstream text;
  text << file.rdbuf();
  return parse_baseline(text.str(), path);
}

void write_baseline(const Baseline& baseline, const std::string& path) {
  std::vector<MetricBound> bounds = baseline.metrics;
  std::sort(bounds.begin(), bounds.end(), [](const MetricBound& a, const MetricBound& b) {
    return a.value_begin > b.value_begin;
  });
  std::string text = baseline.text;
  const Baseline before = parse_baseline(baseline.text, baseline.path);
  for (const MetricBound& bound : bounds) {  // from the back, so that places stay right
    if (bound.value == value_at(before, bound.value_begin)) continue;
    text.replace(bound.value_begin, bound.value_end - bound.value_begin,
                 fmt::format("{}", bound.value));
  }
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) fail("baseline {} can't be written; check the folder and the space on its disk", path);
}

}  // namespace lethe
