#include "analysis/comparison.h"
#include "core/error.h"
#include "core/models/models.h"
#include "experiments/cli.h"
#include "experiments/start_adapter.h"
#include "experiments/streams/streams.h"

namespace lethe {
namespace {

/// One thing of a list with its options.
struct Listed {
  std::string name, summary, source;
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<OptionDoc> options;
  std::vector<Reading> readings = {};
};

std::string cell(const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '|' ? "\\|" : std::string(1, c);
  return safe;
}

std::string options_table(const Listed& one) {
  if (one.options.empty()) return {};
  std::string text = "\n| option | type | default | range | meaning |\n|---|---|---|---|---|\n";
  for (const OptionDoc& doc : one.options) {
    text += fmt::format("| {} | {} | {} | {} | {} |\n", doc.name, doc.type, cell(doc.fallback),
                        cell(doc.range), cell(doc.doc));
  }
  return text;
}

/// Where papers and codes differ, each with the default's reason.
std::string readings_list(const Listed& one) {
  std::string text;
  for (const Reading& reading : one.readings) {
    if (text.empty()) text = "\nWhere papers and codes differ:\n\n";
    const bool option = reading.option != "-";
    text += option ? fmt::format("- {}: {}\n", reading.option, reading.text)
                   : fmt::format("- {}\n", reading.text);
  }
  return text;
}

std::string as_markdown(const std::string& title, const std::vector<Listed>& all) {
  std::string text = fmt::format("# {}\n", title);
  for (const Listed& one : all) {
    text += fmt::format("\n## {}\n\n{}\n", one.name, one.summary);
    text += fmt::format("\nSource: {}.\n", one.source);
    for (const auto& [key, value] : one.facts) text += fmt::format("\n{}: {}.\n", key, value);
    text += options_table(one);
    text += readings_list(one);
  }
  return text;
}

std::string as_text(const std::vector<Listed>& all) {
  std::string text;
  for (const Listed& one : all) {
    text += fmt::format("{}\n  {}\n  source: {}\n", one.name, one.summary, one.source);
    for (const auto& [key, value] : one.facts) text += fmt::format("  {}: {}\n", key, value);
    for (const OptionDoc& doc : one.options) {
      text += fmt::format("    {} = {}  ({}; {})\n", doc.name,
                          doc.fallback.empty() ? "\"\"" : doc.fallback, doc.range, doc.doc);
    }
  }
  return text;
}

/// " with teacher = previous", or nothing.
std::string with(const OptionMap& options) {
  std::string text;
  for (const auto& [key, value] : options) {
    text += fmt::format("{}{} = {}", text.empty() ? " with " : ", ", key, value);
  }
  return text;
}

/// An alias stands for strategies, whose papers and options are its own.
Listed listed(const Alias& alias, const StrategyRegistry& registry) {
  std::vector<std::string> parts, sources;
  for (const Part& part : alias.parts) {
    parts.push_back(part.name + with(part.options));
    sources.push_back(registry.at(part.name).source);
  }
  std::string stands_for =
      parts.empty() ? "no strategy" : fmt::format("{}", fmt::join(parts, " + "));
  if (!alias.model.empty()) stands_for += " on a model" + with(alias.model);
  const std::string source = parts.empty() ? "-" : fmt::format("{}", fmt::join(sources, "; "));
  return {alias.name, alias.summary, source, {{"stands for", stands_for}}, {}};
}

std::vector<Listed> methods(const StrategyRegistry& registry) {
  std::vector<Listed> all;
  for (const auto& [name, entry] : registry.entries()) {
    Listed one{name, entry.summary, entry.source, {}, entry.docs(), entry.readings};
    one.facts.emplace_back("role", role_name(entry.role));
    one.facts.emplace_back("verified against", entry.verified);
    if (!entry.plugin.empty()) one.facts.emplace_back("from the plugin with SHA-256", entry.plugin);
    all.push_back(std::move(one));
  }
  for (const auto& [name, alias] : registry.aliases()) all.push_back(listed(alias, registry));
  return all;
}

}  // namespace

std::string list_text(const std::string& what, bool markdown, const StrategyRegistry& registry) {
  std::vector<Listed> all;
  if (what == "methods") {
    all = methods(registry);
  } else if (what == "streams") {
    for (const auto& [name, entry] : stream_entries()) {
      all.push_back({name, entry.summary, entry.source, {}, entry.docs()});
    }
  } else if (what == "models") {
    for (const auto& [name, entry] : model_entries()) {
      all.push_back({name, entry.summary, entry.source, {}, model_docs(entry)});
    }
  } else if (what == "metrics") {
    for (const MetricDoc& doc : metric_docs()) {
      all.push_back({doc.key,
                     doc.title + ": " + doc.definition,
                     doc.source.empty() ? "-" : doc.source,
                     {{"unit", doc.unit}},
                     {}});
    }
  } else {
    fail("unknown list '{}'; known lists: methods, metrics, models, streams", what);
  }
  std::string title = what;
  title[0] = static_cast<char>(title[0] - 'a' + 'A');
  return markdown ? as_markdown(title, all) : as_text(all);
}

int list_command(const std::string& what, const std::string& format,
                 const std::vector<std::string>& plugins) {
  fmt::print("{}", list_text(what, format == "md", registry_with(plugins)));
  return 0;
}

}  // namespace lethe
