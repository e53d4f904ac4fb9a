// Reading and writing of baseline files.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "analysis/baseline.h"
#include "analysis/relation.h"
#include "analysis/toml_entry.h"
#include "core/error.h"

namespace lethe {
namespace {

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

MetricBound parse_bound(const TomlEntry& entry, const std::string& text) {
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

Relation parse_relation(const TomlEntry& entry) {
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
  const toml::table root = toml_document(text, path);
  for (const auto& [key, node] : root) {
    const bool known = key.str() == "metric" || key.str() == "relation";
    if (!known || !node.is_array_of_tables()) {
      fail("{}:{}: unknown entry '{}'; a baseline holds [[metric]] and [[relation]] tables", path,
           node.source().begin.line, key.str());
    }
    for (const toml::node& each : *node.as_array()) {
      const TomlEntry entry(*each.as_table(), fmt::format("[[{}]]", key.str()), path);
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
  return parse_baseline(toml_file("baseline", path), path);
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
