#include "experiments/plan_table.h"

#include <CLI/CLI.hpp>
#include <map>

#include "analysis/toml_entry.h"
#include "core/error.h"
#include "core/formats/hf_config.h"
#include "core/models/model_facts.h"
#include "experiments/plan.h"

namespace lethe {
namespace {

using Models = std::map<std::string, plan::ModelFacts>;

Models models_of(const TomlEntry& file, const std::string& path) {
  Models models;
  for (const TomlEntry& entry : file.tables("model", "[[model]]")) {
    entry.allow({"name", "config"});
    const std::string name = entry.text("name");
    const HfConfig config = HfConfig::parse(entry.text("config"), entry.place("config"));
    if (!models.emplace(name, model_facts(config)).second) {
      fail("{}: model '{}' is there twice; name each once", entry.place("name"), name);
    }
  }
  if (models.empty()) fail("{} has no [[model]]; give each a name and its config", path);
  return models;
}

plan::PlanRequest request_of(const TomlEntry& row, const std::string& options) {
  PlanArguments arguments;
  CLI::App command;
  add_plan_options(command, arguments);
  try {
    command.parse(options);
  } catch (const CLI::Error& error) {
    fail("{}: {}", row.place("options"), error.what());
  }
  arguments.request.levers = plan::parse_levers(arguments.levers);
  return arguments.request;
}

/// 1234567 bytes as MiB with commas.
std::string mib_cell(int64_t bytes) {
  std::string text = fmt::format("{:.0f}", static_cast<double>(bytes) / 0x1p20);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

std::string row_text(const TomlEntry& row, const Models& models, int64_t device_memory) {
  row.allow({"model", "options", "published"});
  const std::string name = row.text("model"), options = row.text("options");
  const auto model = models.find(name);
  if (model == models.end()) {
    fail("{}: no [[model]] is called '{}'", row.place("model"), name);
  }
  const plan::Account account = plan::account(model->second, request_of(row, options));
  std::string text =
      fmt::format("| {} | `{}` | {} | {} | {} |", name, options, mib_cell(account.states),
                  mib_cell(account.peak()), mib_cell(account.host.total()));
  if (device_memory > 0) text += account.peak() <= device_memory ? " yes |" : " no |";
  return text + " " + row.optional_text("published").value_or("-") + " |\n";
}

}  // namespace

std::string plan_table(const std::string& path, int64_t device_memory) {
  const toml::table document = toml_document(toml_file("the plans", path), path);
  const TomlEntry file(document, "the file", path);
  file.allow({"model", "row"});
  const Models models = models_of(file, path);
  std::string text = "| model | options of `lethe plan` | states | peak | host |";
  std::string line = "\n|---|---|--:|--:|--:|";
  if (device_memory > 0) {
    text += fmt::format(" fits {:.0f} GiB |", static_cast<double>(device_memory) / 0x1p30);
    line += "---|";
  }
  text += " published peak |" + line + "--:|\n";
  for (const TomlEntry& row : file.tables("row", "[[row]]")) {
    text += row_text(row, models, device_memory);
  }
  return text;
}

}  // namespace lethe
