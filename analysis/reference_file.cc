// Reading of reference files.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "analysis/reference.h"
#include "analysis/toml_entry.h"
#include "core/error.h"

namespace lethe {
namespace {

FigureStatus status_of(const TomlEntry& entry) {
  const std::string status = entry.text("status");
  if (status == "confirmed") return FigureStatus::confirmed;
  if (status == "recalled") return FigureStatus::recalled;
  if (status == "quoted") return FigureStatus::quoted;
  fail("{}: unknown status '{}'; known: confirmed, recalled, quoted", entry.place("status"),
       status);
}

void add_source(const TomlEntry& entry, std::vector<ReferenceSource>& sources) {
  entry.allow({"key", "cite", "status", "seeds"});
  ReferenceSource source;
  source.key = entry.text("key");
  source.cite = entry.text("cite");
  source.status = status_of(entry);
  if (entry.has("seeds")) source.seeds = entry.count("seeds");
  for (const ReferenceSource& known : sources) {
    if (known.key == source.key) {
      fail("{}: source '{}' is there already; give each a key of its own", entry.place("key"),
           source.key);
    }
  }
  sources.push_back(source);
}

const ReferenceSource& source_of(const TomlEntry& entry,
                                 const std::vector<ReferenceSource>& sources) {
  const std::string key = entry.text("source");
  std::vector<std::string> known;
  for (const ReferenceSource& source : sources) {
    if (source.key == key) return source;
    known.push_back(source.key);
  }
  fail("{}: unknown source '{}'; known sources: {}", entry.place("source"), key,
       fmt::join(known, ", "));
}

SourcedFigure published(const TomlEntry& entry, const std::vector<ReferenceSource>& sources) {
  entry.allow({"source", "mean", "sem", "seeds", "status", "why"});
  const ReferenceSource& source = source_of(entry, sources);
  SourcedFigure one{source.key, {}, entry.optional_text("why").value_or("")};
  one.figure.mean = entry.number("mean");
  if (entry.has("sem")) {
    one.figure.sem = entry.number("sem");
    if (*one.figure.sem <= 0) entry.fail_type("sem", "a number > 0; leave it out where unknown");
  }
  one.figure.seeds = entry.has("seeds") ? entry.count("seeds") : source.seeds;
  one.figure.status = entry.has("status") ? status_of(entry) : source.status;
  return one;
}

std::vector<std::pair<int64_t, double>> measured(const TomlEntry& entry) {
  std::vector<std::pair<int64_t, double>> values;
  const auto* table = entry.node("measured").as_table();
  if (table == nullptr) entry.fail_type("measured", "a table such as { 2 = 19.79 }");
  for (const auto& [key, node] : *table) {
    const std::string_view text = key.str();
    int64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    const auto value = node.value<double>();
    if (!whole || !node.is_number() || !value) {
      entry.fail_type("measured", "a table of numbers by seed, such as { 2 = 19.79 }");
    }
    values.emplace_back(seed, *value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

ReferenceFigure figure_of(const TomlEntry& entry, const std::optional<std::string>& metric,
                          const std::vector<ReferenceSource>& sources) {
  entry.allow({"method", "metric", "published", "measured", "why"});
  ReferenceFigure figure;
  figure.line = entry.line();
  figure.method = entry.text("method");
  figure.metric = metric && !entry.has("metric") ? *metric : entry.metric();
  figure.why = entry.optional_text("why").value_or("");
  std::set<std::string> seen;
  for (const TomlEntry& each : entry.tables("published", "published")) {
    figure.published.push_back(published(each, sources));
    if (!seen.insert(figure.published.back().source).second) {
      fail("{}: two figures of source '{}' for '{}'; keep one", each.place("source"),
           figure.published.back().source, figure.method);
    }
  }
  if (entry.has("measured")) figure.measured = measured(entry);
  if (figure.published.empty() && figure.measured.empty()) {
    fail("{}: a [[stream.figure]] of '{}' has no value; give it 'published' or 'measured'",
         entry.place(), figure.method);
  }
  return figure;
}

ReferenceStream stream_of(const TomlEntry& entry, const std::string& path,
                          const std::vector<ReferenceSource>& sources) {
  entry.allow({"name", "when", "title", "model", "metric", "figure"});
  ReferenceStream stream;
  stream.line = entry.line();
  stream.name = entry.text("name");
  stream.title = entry.optional_text("title").value_or("");
  stream.model = entry.optional_text("model");
  if (entry.has("when")) {
    const auto* when = entry.node("when").as_table();
    if (when == nullptr) entry.fail_type("when", "a table; write e.g. when.scenario = \"task\"");
    const TomlEntry options(*when, "when", path);
    for (const auto& [key, node] : *when) {
      stream.when[std::string(key.str())] = options.option(std::string(key.str()));
    }
  }
  std::optional<std::string> metric;
  if (entry.has("metric")) metric = entry.metric();
  std::set<std::pair<std::string, std::string>> seen;
  for (const TomlEntry& each : entry.tables("figure", "[[stream.figure]]")) {
    stream.figures.push_back(figure_of(each, metric, sources));
    const ReferenceFigure& figure = stream.figures.back();
    if (!seen.emplace(figure.method, figure.metric).second) {
      fail("{}: a second figure of {} for '{}'; write both values into one", each.place(),
           figure.metric, figure.method);
    }
  }
  return stream;
}

std::vector<std::string> sections_of(const TomlEntry& root) {
  const std::vector<std::string> sections = root.texts("sections");
  const auto& known = section_names();
  for (const std::string& section : sections) {
    if (std::find(known.begin(), known.end(), section) != known.end()) continue;
    fail("{}: unknown section '{}'; known sections: {}", root.place("sections"), section,
         fmt::join(known, ", "));
  }
  return sections;
}

}  // namespace

Reference parse_reference(const std::string& text, const std::string& path) {
  const toml::table document = toml_document(text, path);
  const TomlEntry root(document, "the reference", path);
  root.allow({"title", "introduction", "notes", "sections", "code", "source", "stream"});
  Reference reference;
  reference.path = path;
  reference.code = root.optional_text("code").value_or("");
  reference.text.title = root.optional_text("title").value_or(reference.text.title);
  reference.text.introduction = root.optional_text("introduction").value_or("");
  reference.text.notes = root.optional_text("notes").value_or("");
  if (root.has("sections")) reference.text.sections = sections_of(root);
  for (const TomlEntry& each : root.tables("source", "[[source]]")) {
    add_source(each, reference.sources);
  }
  for (const TomlEntry& each : root.tables("stream", "[[stream]]")) {
    reference.streams.push_back(stream_of(each, path, reference.sources));
  }
  return reference;
}

Reference read_reference(const std::string& path) {
  return parse_reference(toml_file("reference", path), path);
}

}  // namespace lethe
